"""Where the readers of users' lists put what they find: values cleaned, doubles dropped, refusals counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from afterpatch.knowledge.indicators.model import TYPES, Indicator
from afterpatch.knowledge.indicators.values import RefusedError, guess, normalise, refang
from afterpatch.model import Notice

MOST = 500_000
_LONGEST_TEXT = 300


@dataclass(frozen=True, slots=True)
class Context:
    """What a list says about its values besides themselves."""

    group: str = ""
    note: str = ""
    source: str = ""
    published: str = ""
    confidence: str = "moderate"
    valid_until: date | None = None
    tlp: str = ""


@dataclass(slots=True)
class Intake:
    """Collects the indicators of one file and the reasons why some of its entries are not among them."""

    path: str
    found: dict[tuple[str, str, str], Indicator] = field(default_factory=dict)
    entries: int = 0
    _refused: dict[str, tuple[str, int]] = field(default_factory=dict)

    def refuse(self, key: str, where: str = "", detail: str = "") -> None:
        """Counts an entry that is not used; the place of the first one is kept."""
        reason = f"notice.{key}: {_short(detail)}" if detail else f"notice.{key}"
        first, count = self._refused.get(reason, (where, 0))
        self._refused[reason] = (first, count + 1)

    def add(self, value: str, kind: str, context: Context, where: str = "") -> bool:
        """Takes one value; `kind` "" lets the value speak for itself. False where it was refused."""
        self.entries += 1
        if len(self.found) >= MOST:
            self.refuse("indicator-too-many", where)
            return False
        plain = refang(value)
        kind = kind if kind in TYPES else guess(plain)
        if not kind:
            self.refuse("indicator-unknown-type", where)
            return False
        try:
            clean = normalise(kind, plain)
        except RefusedError as error:
            self.refuse(error.key, where)
            return False
        key = (kind, clean, context.group)
        if key in self.found:
            self.refuse("indicator-double", where)
        else:
            self.found[key] = _indicator(kind, clean, context)
        return True

    def indicators(self) -> tuple[Indicator, ...]:
        """What was taken, in the order of the file."""
        return tuple(self.found.values())

    def notices(self) -> tuple[Notice, ...]:
        """What was not, by reason."""
        return tuple(Notice(self.path, where, key, count) for key, (where, count) in sorted(self._refused.items()))


def _indicator(kind: str, value: str, context: Context) -> Indicator:
    return Indicator(
        type=kind,
        value=value,
        group=_short(context.group),
        note=_short(context.note),
        source=_short(context.source),
        published=_short(context.published),
        confidence=context.confidence,
        valid_until=context.valid_until,
        origin="user",
        tlp=_short(context.tlp),
    )


def _short(text: str) -> str:
    """One bounded line: lists are other people's text."""
    return " ".join(text[: 4 * _LONGEST_TEXT].split())[:_LONGEST_TEXT]
