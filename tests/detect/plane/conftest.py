"""All detections of the program, compiled once; bugs in a detection are raised."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from afterpatch.assess.detections import Loaded, frequent_pages, load_detections
from afterpatch.assess.options import Options
from afterpatch.detect.plane.plan import Plan, make_plan
from afterpatch.evidence import collect

SCENARIOS = ("intrusion", "proxyshell-export", "proxynotshell", "owassrf", "proxytoken", "viewstate", "incident")


@pytest.fixture(scope="session", autouse=True)
def _raise(shared_folder: Path) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in ("AFTERPATCH_RAISE", "XDG_CACHE_HOME")}
    os.environ["AFTERPATCH_RAISE"] = "1"
    os.environ["XDG_CACHE_HOME"] = str(shared_folder / "cache")
    yield
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def loaded() -> Loaded:
    return load_detections(Options())


@pytest.fixture(scope="session")
def plan(loaded: Loaded) -> Plan:
    return loaded.plan


@pytest.fixture(scope="session")
def fallback_plan(loaded: Loaded) -> Plan:
    """The same plan on the engine of platforms without Hyperscan."""
    return make_plan(
        loaded.compiled,
        frequent_pages=frequent_pages(),
        correlated=loaded.plan.correlated,
        matcher=loaded.matcher,
        force_fallback=True,
    )


class Shy(dict[str, Any]):
    """A dictionary with nothing to show where a property test prints its arguments."""

    __repr__ = object.__repr__


class Plans:
    """Both engines' plans, with nothing to show where a property test prints its arguments."""

    def __init__(self, main: Plan, fallback: Plan) -> None:
        self.main, self.fallback = main, fallback


@pytest.fixture(scope="session")
def plans(plan: Plan, fallback_plan: Plan) -> Plans:
    return Plans(plan, fallback_plan)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for files that property tests write over."""
    return tmp_path_factory.mktemp("logs")


@dataclass(frozen=True, slots=True, repr=False)
class Material:
    """Lines of one kind of log as the demo writes them: its header, what an intruder left, what everybody leaves."""

    header: tuple[bytes, ...]
    planted: tuple[bytes, ...]
    benign: tuple[bytes, ...]


@pytest.fixture(scope="session")
def material(scenario: Callable[..., Any], made_once: Callable[[str, Callable[[], Any]], Any]) -> Shy:
    """Material by kind of log."""

    def make() -> dict[str, tuple[Sequence[bytes], ...]]:
        found: dict[str, tuple[list[bytes], list[bytes], list[bytes]]] = {}
        for name in SCENARIOS:
            folder, truth = scenario(name)
            planted = {item.path.lower(): {line.encode() for line in item.lines} for item in truth.planted}
            for artifact in collect([str(folder)]).artifacts:
                mine = planted.get(artifact.path.lower(), set())
                if not artifact.path.lower().endswith(".log") or (artifact.kind in found and not mine):
                    continue
                header, loud, quiet = found.setdefault(artifact.kind, ([], [], []))
                lines = Path(artifact.locator.file).read_bytes().split(b"\r\n")[:-1]
                here = [line for line in lines if line.startswith((b"#", b"DateTime,", b"\xef\xbb\xbf#"))]
                header += here[:6] if not header else []
                loud += [line for line in lines if line in mine]
                quiet += [line for line in lines if line not in mine and line not in here][:10]
        return {kind: tuple(tuple(dict.fromkeys(part)) for part in parts) for kind, parts in found.items()}

    return Shy({kind: Material(*parts) for kind, parts in made_once("material", make).items() if parts[0] and parts[2]})
