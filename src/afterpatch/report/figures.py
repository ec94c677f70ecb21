"""Sizes and numbers as people read them."""

from __future__ import annotations


def size(count: int) -> str:
    """A number of bytes in the largest fitting unit."""
    amount, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.0f} {units[0]}" if units[0] == "B" or amount >= 100 else f"{amount:.1f} {units[0]}"


def number(count: int) -> str:
    """A number with thin groups of thousands: 1 234 567 (SI), the same in every language."""
    return f"{count:,}".replace(",", "\u202f") if abs(count) >= 10_000 else str(count)
