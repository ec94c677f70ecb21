#!/usr/bin/env python3
"""Runs Afterpatch from a checkout with nothing but Python 3.11 or later.

    python3 run.py demo             write the evidence of a breached example server and examine it
    python3 run.py examine PATH     examine evidence (every afterpatch command works this way)
    python3 run.py test [ARGS]      lint, types, import rules and tests

The first call makes a virtual environment in `.venv-run` with the locked dependencies; later calls start at once.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent
WINDOWS = os.name == "nt"


def stop(message: str) -> None:
    sys.stderr.write(f"run.py: {message}\n")
    raise SystemExit(2)


def environment(lock: Path, folder: Path) -> Path:
    """The Python of a virtual environment that holds exactly what `lock` names; made or mended where it is not."""
    python = folder / ("Scripts/python.exe" if WINDOWS else "bin/python")
    stamp = folder / "afterpatch-lock"
    wanted = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return python
    sys.stderr.write(f"Setting up {folder.name} (once; needs the package index) ...\n")
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=False)
    if made.returncode:
        stop("could not make a virtual environment; on Debian or Ubuntu install the package python3-venv, then run this again")
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    if subprocess.run([*install, "--only-binary", ":all:", "-r", str(lock)], check=False).returncode:
        stop("could not install the locked dependencies; check the network or the package index, then run this again")
    stamp.write_text(wanted, encoding="ascii")
    return python


def call(python: Path, *arguments: str) -> int:
    paths = [str(HOME / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run([str(python), *arguments], env=environ, check=False).returncode


def test(arguments: list[str]) -> int:
    python = environment(HOME / "requirements" / "test.txt", HOME / ".venv-test")
    os.chdir(HOME)
    if not arguments:
        imports = "from importlinter.cli import lint_imports_command as check; check(['--no-cache'])"
        for name, *step in (("ruff", "-m", "ruff", "check", "."), ("mypy", "-m", "mypy"), ("import rules", "-c", imports)):
            sys.stderr.write(f"{name} ...\n")
            if code := call(python, *step):
                return code
    return call(python, "-m", "pytest", *(arguments or ["-n", str(max(2, (os.cpu_count() or 2)))]))


def main(arguments: list[str]) -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - this file must say so itself on an old Python
        stop(f"Python 3.11 or later is needed; this is {sys.version.split()[0]}")
    if arguments[:1] == ["test"]:
        return test(arguments[1:])
    python = environment(HOME / "requirements" / "run.txt", HOME / ".venv-run")
    return call(python, "-m", "afterpatch.cli.main", *arguments)


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
