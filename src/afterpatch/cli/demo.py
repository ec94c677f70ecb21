"""`afterpatch demo`: example evidence with ground truth, and its examination."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from afterpatch.cli.examine import run_examine
from afterpatch.cli.main import OK
from afterpatch.demo import BY_NAME, LAYOUTS, SCENARIOS, parse_size, write_scenario
from afterpatch.model import UsageError


def run_demo(arguments: argparse.Namespace) -> int:
    """Writes a scenario and examines it."""
    if arguments.scenario == "list":
        width = max(len(scenario.name) for scenario in SCENARIOS)
        for scenario in SCENARIOS:
            sys.stdout.write(f"{scenario.name.ljust(width)}  {scenario.summary}\n")
        return OK
    if arguments.scenario not in BY_NAME:
        raise UsageError(f"there is no scenario {arguments.scenario!r}; 'afterpatch demo --scenario list' names them")
    if arguments.layout not in LAYOUTS:
        raise UsageError(f"there is no layout {arguments.layout!r}; choose one of {', '.join(LAYOUTS)}")
    folder = Path(arguments.folder)
    target = folder / "evidence"
    _room_for(folder)
    size = parse_size(arguments.size) if arguments.size else None
    sys.stderr.write(f"Writing the example evidence '{arguments.scenario}' to {target} ...\n")
    try:
        truth = write_scenario(arguments.scenario, target, seed=arguments.seed, size=size, layout=arguments.layout)
    except OSError as error:
        raise UsageError(f"{target} cannot be written ({error.strerror}): name another folder.") from None
    sys.stderr.write(f"{truth.files} files, {truth.bytes / 1e6:.1f} MB; the truth about them is in {target}.truth.json\n")
    if arguments.write_only:
        return OK
    examine = argparse.Namespace(
        evidence=[str(target)],
        case=str(folder / "case"), json=None, report=None, rules=[], yara=[], intel=[], since=None, until=None, jobs=0,
        fail_on=arguments.fail_on, lang=arguments.lang,
    )  # fmt: skip
    run_examine(examine)
    return OK


def _room_for(folder: Path) -> None:
    """An old demo is written over; anything else stays as it is."""
    target = folder / "evidence"
    if not target.exists():
        return
    if not (folder / "evidence.truth.json").exists():
        raise UsageError(f"{target} exists and is no example evidence: name another folder.")
    shutil.rmtree(target)


__all__ = ["run_demo"]
