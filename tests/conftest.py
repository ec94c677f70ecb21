"""Example evidence and its examination, each made once for all tests (and all workers) of a run."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

from afterpatch.cli.main import main
from afterpatch.demo import BY_NAME, Truth, write_scenario

DAY = timedelta(days=1)
# Where a few days around what is planted are not enough to answer the question.
BOUNDS = {
    "quiet-quarter": (BY_NAME["quiet-quarter"].start + DAY, BY_NAME["quiet-quarter"].start + 21 * DAY),
    "exchange-2010": (BY_NAME["exchange-2010"].start + DAY, BY_NAME["exchange-2010"].start + 12 * DAY),
    "late-logs": (BY_NAME["late-logs"].start, BY_NAME["late-logs"].start + 3 * DAY),
}
# Options without which the short evidence would leave the question open.
OPTIONS = {"admin-oab-changes": ("--since", "2021-02-10", "--until", "2021-03-11")}


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of the program."""

    code: int
    out: str
    err: str
    case: Path
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def servers(self) -> list[dict[str, Any]]:
        return list(self.document["servers"])

    @property
    def server(self) -> dict[str, Any]:
        """The only server."""
        (only,) = self.document["servers"]
        return dict(only)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all workers of this run; the program's cache lies in it, too."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "afterpatch-shared"
    folder.mkdir(exist_ok=True)
    return folder


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Only one worker at a time; on a system without file locks each worker makes its own."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def made_once(shared_folder: Path) -> Callable[[str, Callable[[], Any]], Any]:
    """`made_once(name, make)`: what `make()` returned (picklable) in whichever worker came first."""

    @cache
    def read(path: Path) -> Any:
        return pickle.loads(path.read_bytes())

    def get(name: str, make: Callable[[], Any]) -> Any:
        path = shared_folder / f"{name}.pickle"
        if not path.exists():
            with _alone(shared_folder / f"{name}.lock"):
                if not path.exists():
                    data = pickle.dumps(make())
                    path.with_suffix(".part").write_bytes(data)
                    path.with_suffix(".part").replace(path)
        return read(path)

    return get


Written = Callable[..., tuple[Path, Truth]]


@pytest.fixture(scope="session")
def scenario(shared_folder: Path, made_once: Callable[[str, Callable[[], Any]], Any]) -> Written:
    """`scenario(name, layout="drive")`: a scenario of a few days, (evidence folder, truth)."""

    def get(name: str, layout: str = "drive") -> tuple[Path, Truth]:
        target = shared_folder / f"{name}-{layout}"

        def make() -> Truth:
            needs = BY_NAME[name].needs
            start, end = BOUNDS.get(name) or (needs[0] - DAY, needs[1] + DAY)  # type: ignore[index]
            return write_scenario(name, target, start=start, end=end, layout=layout)

        return target, made_once(f"{name}-{layout}", make)

    return get


def _environment(shared: Path, more: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, "AFTERPATCH_RAISE": "1", "XDG_CACHE_HOME": str(shared / "cache"), **more}


Examine = Callable[..., Ran]


@pytest.fixture(scope="session")
def examine(shared_folder: Path) -> Examine:
    """`examine(paths, case, *options)`: the command `examine` in this process, bugs re-raised."""

    def run(paths: str | Path | Sequence[str | Path], case: Path, *options: str) -> Ran:
        several = [paths] if isinstance(paths, str | Path) else paths
        arguments = ["examine", *map(str, several), "--case", str(case), *options]
        if "--jobs" not in options:
            arguments += ["--jobs", "1"]
        out, err = io.StringIO(), io.StringIO()
        before = dict(os.environ)
        os.environ.update(_environment(shared_folder, {}))
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = main(arguments)
        finally:
            os.environ.clear()
            os.environ.update(before)
        stored = case / "examination.json"
        document = orjson.loads(stored.read_bytes()) if stored.exists() else {}
        return Ran(code, out.getvalue(), err.getvalue(), case, document)

    return run


@pytest.fixture(scope="session")
def examined(
    scenario: Written, examine: Examine, shared_folder: Path, made_once: Callable[[str, Callable[[], Any]], Any]
) -> Callable[..., tuple[Ran, Truth]]:
    """`examined(name, layout="drive")`: a scenario's examination and its truth."""

    def get(name: str, layout: str = "drive") -> tuple[Ran, Truth]:
        folder, truth = scenario(name, layout)
        case = shared_folder / f"{name}-{layout}.case"
        ran = made_once(f"{name}-{layout}.ran", lambda: examine(folder, case, *OPTIONS.get(name, ())))
        return ran, truth

    return get


Program = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(scope="session")
def program(shared_folder: Path) -> Program:
    """`program(*arguments)`: the program in a process of its own; `env`, `cwd` and more go to subprocess.run."""

    def run(*arguments: str | Path, env: Mapping[str, str] | None = None, **options: Any) -> Any:
        command = [sys.executable, "-m", "afterpatch.cli.main", *map(str, arguments)]
        options = {"capture_output": True, "timeout": 240, "stdin": subprocess.DEVNULL, **options}
        return subprocess.run(command, env=_environment(shared_folder, env or {}), check=False, **options)

    return run


@pytest.fixture(scope="session")
def environment(shared_folder: Path) -> dict[str, str]:
    """The environment `program` runs in, for tests that start processes themselves."""
    return _environment(shared_folder, {})
