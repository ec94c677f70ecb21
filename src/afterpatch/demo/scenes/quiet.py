"""Servers to which nothing happened, or of which nothing can be said."""

from __future__ import annotations

from afterpatch.demo.ledger import Ledger
from afterpatch.demo.scenes.daily import address_book_url
from afterpatch.demo.scenes.moments import utc


def quiet_quarter(ledgers: tuple[Ledger, ...]) -> None:
    """One proper change of the address book's address, besides the daily noise."""
    address_book_url(ledgers[0], utc("2021-01-19 13:05:20.500"))


def admin_oab_changes(ledgers: tuple[Ledger, ...]) -> None:
    """Maintenance in March: the virtual directory set, removed, made again and set, by an administrator."""
    address_book_url(ledgers[0], utc("2021-02-11 14:22:31.200"))
    address_book_url(ledgers[0], utc("2021-03-09 19:04:10.900"), remake=True)
    address_book_url(ledgers[0], utc("2021-03-09 19:11:45.050"), remake=True)


def nothing_to_see(ledgers: tuple[Ledger, ...]) -> None:
    """The evidence does not cover the question."""
    for ledger in ledgers:
        ledger.verdict = "inconclusive"
