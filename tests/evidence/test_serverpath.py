"""Server paths out of untrusted names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpatch.evidence import kape, velociraptor
from afterpatch.evidence.entry import is_odd, printable, split_name
from afterpatch.evidence.serverpath import Tree, drive_of
from afterpatch.evidence.table import load_table

ANY = st.text(max_size=40)
NAMES = ["C", "D", "x", "Windows", "inetpub", "logs", "Users", "C%3A", "..", "W3SVC1", "VSS1"]
PARTS = st.lists(st.sampled_from(NAMES))


@given(ANY)
def test_components_never_hold_separators(name: str) -> None:
    for part in split_name(name):
        assert part not in ("", ".")
        assert "/" not in part
        assert "\\" not in part


@given(st.binary(max_size=40))
def test_any_file_name_can_be_printed(raw: bytes) -> None:
    text = printable(raw.decode("utf-8", "surrogateescape"))
    text.encode("utf-8")
    if raw.isascii():
        assert text == raw.decode()


@given(PARTS.map(tuple), st.lists(PARTS.map(tuple), max_size=5))
def test_every_folder_has_a_place(folder: tuple[str, ...], others: list[tuple[str, ...]]) -> None:
    tree = Tree(load_table())
    tree.grow([folder, *others])
    place = tree.place(folder)
    assert place.how in ("drive", "lettered", "anchor", "plain")
    assert place.root == folder[: len(place.root)]
    assert bool(place.drive) == (place.how in ("drive", "lettered"))
    assert not place.drive or place.path.startswith(place.drive)
    tail = place.path.split("\\")[-1] if place.path else ""
    assert not folder or tail in (folder[-1], place.drive[-2:])


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("C", "C:"), ("d", "D:"), ("C:", "C:"), ("C%3A", "C:"), ("%5C%5C.%5CE%3A", "E:"), ("\\\\.\\C:", "C:"),
        ("c_drive", "C:"), ("drive_d", "D:"), ("C$", "C:"), ("C_", "C:"), ("VSS7", "VSS7\\C:"),
        ("%5C%5C%3F%5CGLOBALROOT%5CDevice%5CHarddiskVolumeShadowCopy12", "VSS12\\C:"),
        ("A", None), ("CD", None), ("Windows", None), ("", None), ("%", None), ("1", None),
    ],
)  # fmt: skip
def test_names_of_drives(name: str, prefix: str | None) -> None:
    drive = drive_of(name)
    assert (drive.prefix if drive else None) == prefix


def test_a_single_letter_needs_windows_folders_near_it() -> None:
    tree = Tree(load_table())
    tree.grow([("a", "c", "pictures"), ("a", "notes"), ("b", "C", "Windows", "Temp"), ("b", "E", "stuff")])
    assert tree.place(("a", "c", "pictures")).how == "plain"
    assert tree.place(("b", "C", "Windows", "Temp")).path == "C:\\Windows\\Temp"
    assert tree.place(("b", "E", "stuff")).path == "E:\\stuff"


@given(ANY)
def test_odd_names_are_a_yes_or_no(name: str) -> None:
    assert is_odd(name, split_name(name)) in (True, False)


@given(st.lists(st.text(st.characters(exclude_characters="\\/\0", exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_velociraptor_components_give_the_path(parts: list[str]) -> None:
    assert velociraptor.path_of(["auto", "\\\\.\\C:", *parts]) == "\\".join(("C:", *parts))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("C:\\a\\b", "C:\\a\\b"),
        ("\\\\.\\C:\\a", "C:\\a"),
        ("\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy4\\a\\b", "VSS4\\C:\\a\\b"),
        ("", ""),
    ],
)
def test_kape_source_paths(text: str, path: str) -> None:
    assert kape.server_path(text) == path
