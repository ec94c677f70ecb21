"""Times: read from free text, written in one form."""

from __future__ import annotations

import pytest

from afterpatch.model import parse_iso, to_iso


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2021-03-03", "2021-03-03T00:00:00Z"),
        ("2021-03-03T10:00+02:00", "2021-03-03T08:00:00Z"),
        ("2021-03-03T10:00:00.5Z", "2021-03-03T10:00:00.500Z"),
        ("0001-01-01T00:00+14:00", None),
        ("9999-12-31T23:59-12:00", None),
        ("yesterday", None),
    ],
)
def test_a_time_is_read_as_utc_or_not_at_all(text: str, written: str | None) -> None:
    assert to_iso(parse_iso(text)) == written
