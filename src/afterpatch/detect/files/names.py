"""What a file name says: published shell names, imitations of shipped names, random and odd shapes."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from afterpatch.detect.files.metadata import load_data
from afterpatch.detect.files.paths import file_name, stem_and_extension

_DIGITS_FOR_LETTERS = str.maketrans("01345", "oleas")
_CONSONANTS = re.compile(r"[bcdfghjklmnpqrstvwxz]{5,}", re.IGNORECASE)
_ABBREVIATIONS = re.compile(r"https?|x?html?|xml|css|wsdl|rpc|sql|rss|ftp|smtp|mvc|png|jpg", re.IGNORECASE)
_MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class PublishedName:
    """A shell name that a publisher named, with its source."""

    family: str
    source: str


@cache
def _published() -> tuple[dict[str, PublishedName], tuple[tuple[re.Pattern[str], PublishedName], ...]]:
    exact: dict[str, PublishedName] = {}
    patterns = []
    for group in load_data("names")["published"]:
        entry = PublishedName(group["family"], group["source"])
        for name in group.get("names", ()):
            exact.setdefault(str(name).lower(), entry)
        if "regex" in group:
            patterns.append((re.compile(group["regex"]), entry))
    return exact, tuple(patterns)


def published_name(name: str) -> PublishedName | None:
    """Whether a page of this file name was published as a web shell on Exchange."""
    stem = stem_and_extension(name)[0].lower()
    exact, patterns = _published()
    if stem in exact:
        return exact[stem]
    return next((entry for pattern, entry in patterns if pattern.fullmatch(stem[:_MAX_NAME])), None)


@cache
def _stock() -> tuple[str, ...]:
    return tuple(str(name).lower() for name in load_data("names")["stock"])


def distance(left: str, right: str, limit: int = 2) -> int:
    """Optimal string alignment distance (a swap of neighbours counts one), `limit + 1` where it is larger."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    older: list[int] = []
    previous = list(range(len(right) + 1))
    for row, char in enumerate(left, 1):
        current = [row]
        for column, other in enumerate(right, 1):
            cost = min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (char != other))
            if row > 1 and column > 1 and char == right[column - 2] and left[row - 2] == other:
                cost = min(cost, older[column - 2] + 1)
            current.append(cost)
        older, previous = previous, current
    return min(previous[-1], limit + 1)


@cache
def _look_alikes() -> dict[int, str]:
    """Letters of other scripts that look like Latin ones -> these."""
    pairs = load_data("names")["look_alikes"]
    return {ord(sign): str(latin) for latin, signs in pairs.items() for sign in str(signs)}


def folded(stem: str) -> str:
    """A name as the eye reads it: full-width and look-alike letters as Latin ones, marks that nobody sees left out."""
    plain = unicodedata.normalize("NFKC", stem).lower().translate(_look_alikes())
    return "".join(sign for sign in plain if unicodedata.category(sign) not in ("Cf", "Mn"))


def imitated(name: str) -> str:
    """The shipped name that a file name imitates, "" where none or where it is that name itself."""
    stem = stem_and_extension(name)[0].lower()[:64]
    if len(stem) < 5 or stem in _stock():
        return ""
    seen = folded(stem)
    if seen != stem and seen in _stock():
        return seen
    digits = stem.translate(_DIGITS_FOR_LETTERS)
    for stock in _stock():
        allowed = 1 if len(stock) < 8 else 2 if len(stock) < 16 else 3
        if digits == stock or distance(stem, stock, allowed) <= allowed:
            return stock
    return ""


def _switches(stem: str) -> int:
    """How often the kind of character (lower, upper, digit) changes."""
    kinds = ["d" if char.isdigit() else "u" if char.isupper() else "l" for char in stem]
    return sum(left != right for left, right in pairwise(kinds))


def looks_random(stem: str) -> bool:
    """Eight random letters and digits, hex, a long run of consonants: names that people do not choose."""
    if not re.fullmatch(r"[A-Za-z0-9]{8,64}", stem):
        return False
    has_digit, has_alpha = any(c.isdigit() for c in stem), any(c.isalpha() for c in stem)
    if re.fullmatch(r"[0-9a-f]{8,40}", stem) and has_digit and has_alpha:
        return True
    mixed = stem.lower() != stem and stem.upper() != stem
    if mixed and (stem[0].isdigit() or _switches(stem) >= max(3 if has_digit else 4, 0.4 * len(stem))):
        return True
    return bool(_CONSONANTS.search(_ABBREVIATIONS.sub("a", stem)))


def shapes(path: str) -> tuple[str, ...]:
    """Odd shapes of a page's name: random, digits, one-character, double-extension, look-alike, disguised-letters."""
    name = file_name(path)[:_MAX_NAME]
    stem, _ = stem_and_extension(name)
    found = []
    if stem.isdigit() and len(stem) > 1:
        found.append("digits")
    elif len(stem) == 1:
        found.append("one-character")
    elif looks_random(stem):
        found.append("random")
    if re.search(r"\.(?:jpe?g|png|gif|css|js|txt|config|html?|ico|log|xml|pdf|docx?)$", stem, re.IGNORECASE):
        found.append("double-extension")
    if imitated(name):
        found.append("look-alike")
    if not stem.isascii() and folded(stem).isascii() and folded(stem) != stem.lower():
        found.append("disguised-letters")
    return tuple(found)


@cache
def _reserved() -> frozenset[str]:
    return frozenset(str(name) for name in load_data("names")["reserved"])


@cache
def hidden_folder() -> re.Pattern[str]:
    """Folder names below ProgramData that ProxyShell intruders served."""
    return re.compile(load_data("names")["hidden_folders"])


@cache
def _tricky() -> re.Pattern[str]:
    """What a path with a trick must hold: a segment that begins with a reserved name, or ends oddly, or a colon."""
    reserved = "|".join(sorted(map(re.escape, _reserved())))
    return re.compile(rf"(?:^|[\\/])(?:{reserved})(?:[\\/ .]|$)|[. ](?:[\\/]|$)|:", re.IGNORECASE)


def path_tricks(path: str) -> tuple[str, ...]:
    """Names that Windows tools cannot open or do not show: reserved-name, trailing-dot-or-space, stream."""
    drive = path[1:2] == ":" and path[2:3] in ("\\", "/")
    if not _tricky().search(path, 2 if drive else 0):
        return ()
    segments = [part for part in path.replace("/", "\\").split("\\") if part][:64]
    found = []
    for position, segment in enumerate(segments):
        if position == 0 and re.fullmatch(r"[A-Za-z]:", segment):
            continue
        if segment.partition(".")[0].rstrip(" ").lower() in _reserved():
            found.append("reserved-name")
        if segment not in (".", "..") and segment[-1] in ". ":
            found.append("trailing-dot-or-space")
    if segments and ":" in segments[-1]:
        found.append("stream")
    return tuple(dict.fromkeys(found))
