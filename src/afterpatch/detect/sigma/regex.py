"""Regular expressions of rules: from PCRE's dialect to Python's, and what cannot be done refused.

Sigma names PCRE as the flavour. `\\w`, `\\d`, `\\s` and letter case are ASCII here, as PCRE has them without its
Unicode mode.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable

from afterpatch.detect.sigma.automaton import Automaton, NotRegularError
from afterpatch.detect.sigma.model import Regex
from afterpatch.detect.sigma.regex_danger import danger_of
from afterpatch.detect.sigma.regex_literals import Runs, required_runs
from afterpatch.detect.sigma.text import fold

MAX_PATTERN = 8_192
MAX_VALUE = 64 << 10
"""Characters of a value that a regular expression judges; what is behind is counted and makes a miss unknown."""

_POSIX = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r"\s",
    "blank": r" \t",
    "punct": r"!-/:-@\[-`{-~",
    "xdigit": "0-9A-Fa-f",
    "word": r"\w",
    "cntrl": r"\x00-\x1f\x7f",
    "print": r"\x20-\x7e",
    "graph": r"\x21-\x7e",
}
_ESCAPES = {
    "z": r"\Z",
    "Z": r"(?=\n?\Z)",
    "h": r"[ \t]",
    "H": r"[^ \t]",
    "R": r"(?:\r\n|\n|\r)",
    "N": r"[^\n]",
    "e": r"\x1b",
}
_IN_CLASS = {"h": r" \t", "e": r"\x1b"}
_REFUSED = {
    "G": "\\G",
    "K": "\\K",
    "X": "\\X",
    "C": "\\C",
    "p": "Unicode properties (\\p)",
    "P": "Unicode properties (\\P)",
    "k": "named back references (\\k)",
    "g": "\\g",
}
_INLINE = re.compile(r"\(\?([imsx]*)(?:-[imsx]+)?\)")
_REFUSED_GROUPS = ("(?R)", "(?(", "(?&", "(?|", "(?C", "(*", "(?0", "(?1", "(?P>", "(?+")


class RegexError(Exception):
    """A regular expression cannot be used; the message says why."""


class _Translator:
    def __init__(self, pattern: str) -> None:
        self.pattern, self.at = pattern, 0
        self.out: list[str] = []
        self.pending = [0]  # for each open group: how many scopes opened by an inline flag must be closed with it

    def run(self) -> str:
        while self.at < len(self.pattern):
            char = self.pattern[self.at]
            if char == "\\":
                self.escape()
            elif char == "[":
                self.char_class()
            elif char == "(":
                self.open_group()
            elif char == ")":
                self.close_group()
            else:
                self.emit(char)
        return "".join(self.out) + ")" * self.pending[0]

    def emit(self, text: str, length: int = 1) -> None:
        self.out.append(text)
        self.at += length

    def escape(self, *, in_class: bool = False) -> None:
        following = self.pattern[self.at + 1 : self.at + 2]
        if following == "Q" and not in_class:
            end = self.pattern.find(r"\E", self.at + 2)
            stop = len(self.pattern) if end < 0 else end
            self.emit(re.escape(self.pattern[self.at + 2 : stop]), stop + (2 if end >= 0 else 0) - self.at)
            return
        if following in _REFUSED:
            raise RegexError(f"{_REFUSED[following]} is not supported")
        table = _IN_CLASS if in_class else _ESCAPES
        if following in table:
            self.emit(table[following], 2)
        elif following == "x" and self.pattern[self.at + 2 : self.at + 3] == "{":
            self.hex_escape()
        elif following.isalpha() and following not in "AbBdDsSwWafnrtvxuU":
            self.emit(re.escape(following), 2)  # PCRE: a letter without a meaning stands for itself
        elif following == "":
            raise RegexError("ends in a backslash")
        else:
            self.emit("\\" + following, 2)

    def hex_escape(self) -> None:
        end = self.pattern.find("}", self.at)
        digits = self.pattern[self.at + 3 : end]
        try:
            self.emit(re.escape(chr(int(digits, 16))), end + 1 - self.at)
        except (ValueError, OverflowError) as error:
            raise RegexError(f"'\\x{{{digits}}}' is no character") from error

    def char_class(self) -> None:
        self.emit("[")
        if self.pattern[self.at : self.at + 1] == "^":
            self.emit("^")
        if self.pattern[self.at : self.at + 1] == "]":
            self.emit(r"\]")
        while self.at < len(self.pattern) and self.pattern[self.at] != "]":
            found = re.match(r"\[:(\^?)([a-z]+):\]", self.pattern[self.at :])
            if found:
                self.posix(found)
            elif self.pattern[self.at] == "\\":
                self.escape(in_class=True)
            else:  # `[`, `&&`, `||`, `~~`, `--` may get a meaning in Python: escaped they are plain
                char = self.pattern[self.at]
                self.emit("\\" + char if char in "[&|~" else char)
        if self.at >= len(self.pattern):
            raise RegexError("a character class is not closed")
        self.emit("]")

    def posix(self, found: re.Match[str]) -> None:
        if found[1] or found[2] not in _POSIX:
            raise RegexError(f"the character class {found[0]} is not supported")
        self.emit(_POSIX[found[2]], found.end())

    def open_group(self) -> None:
        rest = self.pattern[self.at :]
        for refused in _REFUSED_GROUPS:
            if rest.startswith(refused):
                raise RegexError(f"'{refused}' is not supported")
        inline = _INLINE.match(rest)
        if inline:
            self.inline_flags(inline)
            return
        self.pending.append(0)
        named = re.match(r"\(\?(?:<(?![=!])|')(\w+)[>']", rest)
        if named:
            self.emit(f"(?P<{named[1]}>", named.end())
        else:
            self.emit("(")

    def inline_flags(self, inline: re.Match[str]) -> None:
        """Flags in the middle hold until the end of the group: Python wants them as a group of their own."""
        if "-" in inline[0]:
            raise RegexError(f"'{inline[0]}' is not supported")
        if inline[1]:
            self.emit(f"(?{inline[1]}:", inline.end())
            self.pending[-1] += 1
        else:
            self.at += inline.end()

    def close_group(self) -> None:
        if len(self.pending) == 1:
            raise RegexError("a closing parenthesis too many")
        self.emit(")" * (1 + self.pending.pop()))


def translate(pattern: str) -> str:
    """Python's form of a PCRE pattern. Raises RegexError."""
    if len(pattern) > MAX_PATTERN:
        raise RegexError(f"longer than {MAX_PATTERN} characters")
    translated = _Translator(pattern).run()
    compile_regex(translated, "")
    check_danger(translated, "")
    return translated


def compile_regex(pattern: str, flags: str) -> re.Pattern[str]:
    """The compiled form of a translated pattern; `flags` out of `ims`. Raises RegexError."""
    bits = re.ASCII
    for flag, bit in (("i", re.IGNORECASE), ("m", re.MULTILINE), ("s", re.DOTALL)):
        bits |= bit if flag in flags else 0
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        try:
            return re.compile(pattern, bits)
        except (re.error, FutureWarning, OverflowError, RecursionError, ValueError) as error:
            raise RegexError(f"is no regular expression: {error}") from error


Searcher = Callable[[str], bool | None]
TRUSTED_WORK = 1_000_000
BOUNDED_WORK = 50_000_000
"""How much work (steps, at worst) is left to Python's search; above the first the automaton takes over, above the
second, where there is no automaton, the value is cut."""


def check_danger(pattern: str, flags: str) -> None:
    """Refuses what could take for ever and cannot be made an automaton. Raises RegexError."""
    if danger_of(pattern, flags).exponential and _automaton(pattern, flags) is None:
        raise RegexError("repeats a repeat beside look-around, back references or thousands of places: it could take for ever")


def _automaton(pattern: str, flags: str) -> Automaton | None:
    try:
        return Automaton(pattern, flags)
    except NotRegularError:
        return None


def _bound(work: int, degree: int) -> int:
    """The longest value whose search costs no more than `work`."""
    return min(MAX_VALUE, int(work ** (1 / degree)))


def judged_length(value: Regex) -> int:
    """How many characters of a value the expression judges."""
    danger = danger_of(value.pattern, value.flags)
    if danger.degree == 1 or _automaton(value.pattern, value.flags) is not None:
        return MAX_VALUE
    return _bound(BOUNDED_WORK, danger.degree)


def regex_searcher(value: Regex) -> Searcher:
    """Whether a value holds the expression: True, False, or None where the value is longer than what is judged and the
    judged part does not hold it for sure. The time is bounded whatever the value holds."""
    danger = danger_of(value.pattern, value.flags)
    search = compile_regex(value.pattern, value.flags).search
    automaton = _automaton(value.pattern, value.flags) if danger.degree > 1 or danger.exponential else None
    if automaton is None:
        return _backtracking(search, judged_length(value))
    short = 0 if danger.exponential else _bound(TRUSTED_WORK, danger.degree)
    return _when_held(required_runs(value.pattern, value.flags), _both(search, short, automaton))


def _when_held(runs: Runs, searcher: Searcher) -> Searcher:
    """The searcher for values that hold what every match holds: most do not, and the automaton is slow."""
    if runs is None:
        return searcher

    def held(text: str) -> bool | None:
        if len(text) <= MAX_VALUE and not _holds(runs, fold(text)):
            return False
        return searcher(text)

    return held


def _holds(runs: Runs, folded: str) -> bool:
    if runs is None:
        return True
    if isinstance(runs, str):
        return fold(runs) in folded
    some = any if runs[0] == "some" else all
    return some(_holds(part, folded) for part in runs[1])


def _backtracking(search: Callable[[str, int, int], re.Match[str] | None], limit: int) -> Searcher:
    def searcher(text: str) -> bool | None:
        if len(text) <= limit:
            return search(text, 0, limit) is not None
        found = search(text, 0, limit)
        return True if found and found.end() < limit else None

    return searcher


def _both(search: Callable[[str], re.Match[str] | None], short: int, automaton: Automaton) -> Searcher:
    def searcher(text: str) -> bool | None:
        if len(text) <= short:
            return search(text) is not None
        if len(text) <= MAX_VALUE:
            return automaton.search(text)
        return True if automaton.search_part(text[:MAX_VALUE]) else None

    return searcher
