"""Speed beside YARA, in one run on the same files: our complete default scan of a file (every file check, page analysis,
our signatures) and a plain scan with the rules given, both in processor seconds of one process.

YARA runs in an interpreter of its own that has yara-python (`--yara-python`, this one where it has it).
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from afterpatch.detect.files.driver import analyse_file
from afterpatch.detect.files.item import FileContext, FileFinding, FileItem
from afterpatch.detect.yara.compile import compile_rules
from afterpatch.model import Artifact, Locator

_OTHER = """
import json, sys, time, yara
rules, files = json.load(sys.stdin)
names = dict.fromkeys(("filename", "filepath", "extension", "filetype", "owner"), "")
compiled = yara.compile(filepaths={str(i): path for i, path in enumerate(rules)}, externals=names)
started, hits = time.process_time(), 0
for path in files:
    with open(path, "rb") as stream:
        data = stream.read(4 << 20)
    hits += bool(compiled.match(data=data, timeout=60))
print(json.dumps([time.process_time() - started, hits]))
"""


def examined(name: str, data: bytes, context: FileContext) -> list[FileFinding]:
    """The findings of every file check on a file, in a place that says nothing by itself."""
    shown, size = "D:\\site\\" + name, len(data)
    digest, head = hashlib.sha256(data).hexdigest(), data[: 4 << 20]
    artifact = Artifact(0, shown, shown, Locator(shown), "web-file", "r", size)
    return analyse_file(FileItem(artifact, head, size > len(head), digest, size), context)


def ours(files: Sequence[Path]) -> tuple[float, int]:
    """Processor seconds and files with a finding at high or above."""
    context = FileContext(rules=compile_rules()[0])
    started, hits = time.process_time(), 0
    for path in files:
        with path.open("rb") as stream:
            data = stream.read(4 << 20)
        hits += any(one.severity in ("high", "critical") for one in examined(path.name, data, context))
    return time.process_time() - started, hits


def show_hostile(cases: Iterable[tuple[str, str, bytes]]) -> None:
    """What each page costs in processor seconds, the dearest first."""
    context = FileContext(rules=compile_rules()[0])
    rows = []
    for what, name, data in cases:
        started = time.process_time()
        found = examined(name, data, context)
        rows.append((time.process_time() - started, what, sorted({one.detection for one in found})))
    rows.sort(key=lambda row: -row[0])
    print(f"hostile pages: {len(rows)}, {sum(row[0] > 2 for row in rows)} above 2 s, broken: {len(context.failures)}")
    for seconds, what, found in rows[:10]:
        print(f"  {seconds:6.2f} s  {what}  {', '.join(found)}")


def yara(rules: Sequence[Path], files: Sequence[Path], interpreter: str) -> tuple[float, int]:
    """The same for YARA; raises SystemExit with its words where it cannot run."""
    given = json.dumps([[str(one) for one in rules], [str(one) for one in files]])
    done = subprocess.run([interpreter, "-c", _OTHER], input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"yara: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'failed'}")
    seconds, hits = json.loads(done.stdout)
    return float(seconds), int(hits)


def show(rules: Path, files: Sequence[Path], interpreter: str) -> None:
    """Both rates, side by side."""
    rule_files = sorted(rules.rglob("*.yar")) if rules.is_dir() else [rules]
    print(f"beside YARA: {len(files)} files, {len(rule_files)} rule files")
    for name, (seconds, hits) in (("afterpatch", ours(files)), ("yara", yara(rule_files, files, interpreter))):
        print(f"  {name:10} {seconds:8.2f} s  {len(files) / max(seconds, 1e-9):8.0f} files a second  {hits} files with a hit")
