"""What was found when some rules judged an event, by the values that they look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING

from afterpatch.detect.events.view import Layout, layout_of

if TYPE_CHECKING:
    from afterpatch.detect.events.program import Candidate

MAX_KEY = 8_192  # characters of the values of one remembered result
MAX_MEMORY = 24 << 20  # characters of all of them
MAX_LAYOUTS = 64  # of a choice
OVERHEAD = 400
Getter = Callable[[Mapping[str, object]], tuple[object, ...]]
Key = tuple[Getter, tuple[object, ...], tuple[type, ...], object]


@dataclass(slots=True)
class Memory:
    """What all remembered results of a plan take together, in characters. When it is too much all are forgotten."""

    used: int = 0
    generation: int = 0

    def take(self, size: int) -> None:
        """Counts one more result."""
        self.used += size
        if self.used > MAX_MEMORY:
            self.used = 0
            self.generation += 1


@dataclass(slots=True)
class Choice:
    """Some candidates of a program, and what was found when they judged before.

    `names`: every field they look at; the values of these decide. None: they look at the whole event, nothing is
    remembered."""

    candidates: tuple[Candidate, ...]
    names: tuple[str, ...] | None
    memory: Memory
    memo: dict[Key, tuple[Candidate, ...]] = field(default_factory=dict)
    generation: int = 0
    getters: dict[tuple[str, ...], tuple[Getter, bool] | None] = field(default_factory=dict)

    def key(self, data: Mapping[str, object], kind: object) -> Key | None:
        """What decides over an event with these named values, as JSON gave them, of this kind (provider, id, channel and
        computer); None where the whole event must be asked."""
        if self.names is None:
            return None
        names = tuple(data)
        found = self.getters.get(names, self)
        if found is self:
            if len(self.getters) >= MAX_LAYOUTS:
                self.getters.clear()
            found = self.getters[names] = _getter(self.names, names)
        if found is None:
            return None
        getter, by_kind = found  # type: ignore[misc]
        values = getter(data)
        return (getter, values, tuple(map(type, values)), kind if by_kind else None)

    def recall(self, key: Key) -> tuple[Candidate, ...] | None:
        """What was found before for a key; None where nothing is known."""
        if self.generation != self.memory.generation:
            self.memo.clear()
            self.generation = self.memory.generation
        return self.memo.get(key)

    def remember(self, key: Key, fired: tuple[Candidate, ...]) -> None:
        """Keeps a result; long values are not worth it."""
        size = sum(len(value) for value in key[1] if isinstance(value, str))
        if size <= MAX_KEY:
            self.memo[key] = fired
            self.memory.take(size + OVERHEAD)


OF_KIND = frozenset(("Provider_Name", "EventID", "Channel", "Computer"))


def _getter(asked: tuple[str, ...], names: tuple[str, ...]) -> tuple[Getter, bool] | None:
    """What takes the values that decide out of an event with these names, and whether its kind decides too; None where a
    field decides that is in neither."""
    layout = layout_of(names)
    wanted: set[str] = set()
    for name in asked:
        wanted.update(_columns(name, layout))
    if not wanted <= {*names, *OF_KIND}:
        return None
    mine = sorted(wanted - OF_KIND)
    getter: Getter = _nothing if not mine else _one(mine[0]) if len(mine) == 1 else itemgetter(*mine)
    return getter, bool(wanted & OF_KIND)


def _columns(name: str, layout: Layout) -> tuple[str, ...]:
    return layout.columns(name)


def _nothing(_data: Mapping[str, object]) -> tuple[object, ...]:
    return ()


def _one(name: str) -> Getter:
    return lambda data: (data[name],)


__all__ = ["MAX_KEY", "MAX_MEMORY", "Choice", "Key", "Memory"]
