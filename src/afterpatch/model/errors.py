"""One error family. What reaches the user is one sentence that says how to mend it."""

from __future__ import annotations


class AfterpatchError(Exception):
    """Something that stops the run: exit code 2, one sentence."""


class UsageError(AfterpatchError):
    """The command line asks for something that cannot be done."""


class EvidenceError(AfterpatchError):
    """The evidence cannot be read at all."""


class RuleError(AfterpatchError):
    """A rule cannot be loaded. `path` and `line` say where (line 0: the whole file)."""

    def __init__(self, message: str, path: str = "", line: int = 0) -> None:
        self.message, self.path, self.line = message, path, line
        super().__init__(f"{path}:{line}: {message}" if path else message)
