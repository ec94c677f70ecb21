"""Progress on stderr: rate and time left on long work; silent when stderr is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

EVERY = 0.2  # seconds between two lines


@dataclass(slots=True)
class ProgressLine:
    """One line that is written over and over. `label`: the words for a stage, asked for where they are shown."""

    label: Callable[[str], str]
    active: bool = field(default_factory=lambda: sys.stderr.isatty())
    _label: str = ""
    _total: int = 0
    _done: int = 0
    _since: float = 0.0
    _shown: float = 0.0
    _written: int = 0

    def start(self, stage: str, total: int) -> None:
        """A new stage of so many bytes."""
        self._label, self._total, self._done = self.label(stage) if self.active else stage, total, 0
        self._since = time.monotonic()
        self._show(force=True)

    def step(self, done: int) -> None:
        """So many bytes more are done."""
        self._done += done
        self._show(force=False)

    def close(self) -> None:
        """Clears the line."""
        if self._written:
            sys.stderr.write("\r" + " " * self._written + "\r")
            sys.stderr.flush()
            self._written = 0

    def _show(self, *, force: bool) -> None:
        now = time.monotonic()
        if not self.active or (not force and now - self._shown < EVERY):
            return
        self._shown = now
        text = self._text(now - self._since)
        sys.stderr.write("\r" + text.ljust(self._written))
        sys.stderr.flush()
        self._written = len(text)

    def _text(self, passed: float) -> str:
        total = max(self._total, 1)
        share = min(100, 100 * self._done // total)
        text = f"{self._label} {share:3d} %"
        if passed > 1 and self._done:
            rate = self._done / passed
            left = max(0.0, (self._total - self._done) / rate)
            text += f"  {rate / 1e6:.0f} MB/s  {int(left // 60)}:{int(left % 60):02d}"
        return text
