"""Whole `afterpatch examine` beside ripgrep on the same logs, in one run; prints seconds, ratios and peak memory.

    python3 benchmarks/logs/run.py [--size 1.5GB] [--rounds 3] [--evidence DIR]

The evidence is the example intrusion, multiplied; only its IIS and HttpProxy logs are used. ripgrep (`rg`) counts the
lines that hold any of twenty indicator strings, letter case aside, over the same files with as many threads as it likes.
Both read from a warm cache. Without `rg` the examination is timed alone.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
STRINGS = (
    "ServerInfo~", "X-BEResource", "X-AnonResource-Backend", "proxyLogon.ecp", "DDIService.svc/SetObject",
    "ResetOABVirtualDirectory", "python-requests", "antSword", "autodiscover.json", "X-Rps-CAT",
    "RedirSuiteServerProxy", "aspnet_client", "OutlookEN.aspx", "errorEE.aspx", "supp0rt.aspx", "/ecp/y.js",
    "default.flt", "SecurityToken=", "__VIEWSTATE=", "mapi/nspi",
)  # fmt: skip


def evidence(size: str, folder: Path) -> Path:
    """Example logs of this size: IIS and HttpProxy only, in the layout of a drive."""
    sys.path.insert(0, str(HOME / "src"))
    from afterpatch.demo import write_scenario

    whole = folder / "whole"
    write_scenario("intrusion", whole, size=size)
    logs = folder / "logs"
    for path in sorted(whole.rglob("*")):
        below = path.relative_to(whole).as_posix()
        if path.is_file() and ("/W3SVC" in below or "/HttpProxy/" in below):
            target = logs / below
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    shutil.rmtree(whole)
    return logs


def run(command: list[str], env: dict[str, str] | None = None) -> tuple[float, float]:
    """(seconds, processor seconds) of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env, check=False)
    seconds = time.perf_counter() - started
    if done.returncode not in (0, 1, 3):
        raise SystemExit(f"{command[0]} failed: {done.stderr.decode()[-400:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1.5GB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--evidence", type=Path, help="use these logs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        logs = options.evidence or evidence(options.size, Path(temporary))
        files = [path for path in logs.rglob("*") if path.is_file()]
        total = sum(path.stat().st_size for path in files)
        for path in files:  # warm the cache for both
            path.read_bytes()
        print(f"{total / 1e9:.2f} GB in {len(files)} files, {os.cpu_count()} cores")
        env = {**os.environ, "PYTHONPATH": str(HOME / "src")}
        examine = [sys.executable, "-m", "afterpatch.cli.main", "examine", str(logs), "--case", str(Path(temporary) / "case")]
        rg = ["rg", "-ci", "|".join(text.replace(".", r"\.") for text in STRINGS), str(logs)] if shutil.which("rg") else None
        ours, theirs = [], []
        for number in range(options.rounds):
            if rg:
                theirs.append(run(rg))
            ours.append(run(examine, env))
            line = f"round {number + 1}: examine {ours[-1][0]:.2f} s (processor {ours[-1][1]:.2f} s)"
            print(line + (f"  rg {theirs[-1][0]:.2f} s (processor {theirs[-1][1]:.2f} s)" if rg else ""))
        best = min(seconds for seconds, _ in ours)
        print(f"examine: best {best:.2f} s, {total / best / 1e9:.2f} GB/s, cores used {ours[-1][1] / ours[-1][0]:.2f}")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        most = peak * ((os.cpu_count() or 1) + 1)
        print(f"peak memory of one process: {peak:.0f} MB (all processes together: at most {most:.0f} MB)")
        if rg:
            print(f"ratio to rg: {best / min(seconds for seconds, _ in theirs):.2f} (best of each round set)")


if __name__ == "__main__":
    main()
