"""What one page may cost. Counted in steps and bytes, not in seconds, so that the same page gets the same verdict."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_STEPS = 100_000
MAX_FOLDED = 6_000_000
MAX_CODE = 250_000
MAX_PHP = 600_000  # our own reader takes any text at the same speed; its tokens are counted besides
MAX_LAYERS = 6
MAX_CONSTANT = 600_000


@dataclass(slots=True)
class Budget:
    """Steps (evaluated nodes), folded bytes (constants built) and nested layers (code inside decoded strings).
    `spent` names the budgets that ran out."""

    steps: int = MAX_STEPS
    folded: int = MAX_FOLDED
    layers: int = MAX_LAYERS
    spent: set[str] = field(default_factory=set)

    def step(self, cost: int = 1) -> bool:
        """Take steps; False where none are left."""
        if self.steps < cost:
            self.spent.add("steps")
            return False
        self.steps -= cost
        return True

    def keep(self, part: int, of: int) -> int:
        """Lay steps aside (`part` of `of`), so that what runs first does not eat them all; gives how many."""
        kept = self.steps * part // of
        self.steps -= kept
        return kept

    def give(self, steps: int) -> None:
        """Put steps back that were laid aside."""
        self.steps += steps

    def fold(self, size: int) -> bool:
        """Take bytes for a constant; False where it would be too large or none are left."""
        if size > MAX_CONSTANT or self.folded < size:
            self.spent.add("constants")
            return False
        self.folded -= size
        return True

    def exhausted(self, what: str) -> None:
        """Record that some other bound was met."""
        self.spent.add(what)
