"""Which artifacts belong to one server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from afterpatch.evidence import Collection, collect

One = Callable[..., Collection]


def _hints(collection: Collection) -> dict[str, str]:
    return {root.key: root.host_hint for root in collection.roots}


def test_drives_side_by_side_are_one_root(kit: SimpleNamespace, tmp_path: Path) -> None:
    kit.tree(tmp_path / "case", kit.plain)
    together = collect([str(tmp_path / "case")])
    apart = collect([str(tmp_path / "case/C"), str(tmp_path / "case/D")])
    assert len(together.roots) == len(apart.roots) == 1
    assert apart.roots[0].drives == ("C:", "D:")
    assert len(apart.sources) == 2


def test_folders_per_host_with_drives(kit: SimpleNamespace, tmp_path: Path) -> None:
    kit.tree(tmp_path / "heap/EXCH01", kit.plain)
    kit.tree(tmp_path / "heap/EXCH02", kit.plain)
    collection = collect([str(tmp_path / "heap")])
    assert _hints(collection) == {"heap/EXCH01": "EXCH01", "heap/EXCH02": "EXCH02"}
    assert len(collection.artifacts) == 2 * len(kit.SERVER)


def test_folders_per_host_without_drives(kit: SimpleNamespace, one: One) -> None:
    collection = one(
        {
            "EXCH01/IIS/W3SVC1/u_ex210303.log": kit.IIS,
            "EXCH01/Logging/ECP/Server/ECPServer1.LOG": kit.ECP,
            "EXCH02/IIS/W3SVC1/u_ex210303.log": kit.IIS,
            "readme.txt": b"-",
        }
    )
    assert _hints(collection) == {"given": "", "given/EXCH01": "EXCH01", "given/EXCH02": "EXCH02"}
    assert [item.root for item in collection.artifacts if item.path == "readme.txt"] == ["given"]


def test_one_server_in_several_folders_is_one_root(kit: SimpleNamespace, one: One) -> None:
    collection = one({"iislogs/W3SVC1/u_ex1.log": kit.IIS, "exlogs/Logging/ECP/Server/a.log": kit.ECP})
    assert _hints(collection) == {"given": ""}


def test_a_flat_heap_is_one_root(kit: SimpleNamespace, one: One) -> None:
    collection = one({"u_ex210303.log": kit.IIS, "ECPServer20210303-1.LOG": kit.ECP, "a/u_ex210303.log": kit.IIS})
    assert len(collection.roots) == 1


def test_two_archives_are_two_roots(kit: SimpleNamespace, tmp_path: Path) -> None:
    first = kit.zipped(tmp_path / "h/EXCH01.zip", kit.plain)
    second = kit.zipped(tmp_path / "h/EXCH02.zip", kit.plain)
    given = _hints(collect([str(second), str(first)]))
    assert given == {"EXCH01.zip": "EXCH01", "EXCH02.zip": "EXCH02"}
    assert _hints(collect([str(tmp_path / "h")])) == {"h/EXCH01.zip": "EXCH01", "h/EXCH02.zip": "EXCH02"}


def test_two_archives_of_one_host_are_one_root(kit: SimpleNamespace, tmp_path: Path) -> None:
    rename = kit.escaped("{}%3A", "auto")
    for name, host in (("a.zip", "EXCH01"), ("b.zip", "exch01"), ("c.zip", "EXCH02")):
        side = {"uploads.json": b"", "client_info.json": b'{"Hostname":"%s"}' % host.encode()}
        kit.zipped(tmp_path / name, rename, side)
    collection = collect([str(tmp_path / name) for name in ("a.zip", "b.zip", "c.zip")])
    assert _hints(collection) == {"a.zip": "EXCH01", "c.zip": "EXCH02"}
    assert sum(item.root == "a.zip" for item in collection.artifacts) == 2 * (len(kit.SERVER) + 2)


def test_sources_of_one_name_have_different_roots(kit: SimpleNamespace, tmp_path: Path) -> None:
    one = kit.tree(tmp_path / "a/evidence", kit.plain)
    two = kit.tree(tmp_path / "b/evidence", kit.plain)
    assert list(_hints(collect([str(one), str(two)]))) == ["evidence", "evidence#2"]


def test_the_order_of_arguments_does_not_matter(kit: SimpleNamespace, tmp_path: Path) -> None:
    one = str(kit.tree(tmp_path / "a/evidence", kit.plain))
    two = str(kit.zipped(tmp_path / "b.zip", kit.plain))
    assert collect([one, two]) == collect([two, one])


def test_what_lies_inside_another_path_is_taken_once(kit: SimpleNamespace, tmp_path: Path) -> None:
    kit.tree(tmp_path / "e", kit.plain)
    collection = collect([str(tmp_path / "e"), str(tmp_path / "e/C"), str(tmp_path / "e")])
    assert len(collection.artifacts) == len(kit.SERVER)
    assert [notice.reason for notice in collection.notices] == ["notice.given-twice"]


@pytest.mark.parametrize(("name", "hint"), [("EXCH01", "EXCH01"), ("logs", ""), ("EVIDENCE", ""), ("2021-03-03", "")])
def test_the_name_of_the_folder_given_is_a_hint_only_if_it_looks_like_a_host(
    name: str, hint: str, kit: SimpleNamespace, one: One
) -> None:
    assert one({"W3SVC1/u_ex1.log": kit.IIS}, name).roots[0].host_hint == hint


def test_accessors_of_one_collection_are_one_root(kit: SimpleNamespace, tmp_path: Path) -> None:
    """Without side files: drives below two accessors, of two hosts."""
    for host in ("EXCH01", "EXCH02"):
        for accessor, drive in (("auto", "C"), ("ntfs", "D")):
            rename = kit.escaped("{}%3A", accessor)
            for path in (path for path in kit.SERVER if path[0] == drive):
                target = tmp_path / "h" / host / rename(path)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(kit.SERVER[path][0])
    collection = collect([str(tmp_path / "h")])
    assert _hints(collection) == {"h/EXCH01": "EXCH01", "h/EXCH02": "EXCH02"}
    assert {root.drives for root in collection.roots} == {("C:", "D:")}
    assert kit.found(collection) == kit.expected()


def test_several_velociraptor_collections_in_one_heap(kit: SimpleNamespace, tmp_path: Path) -> None:
    for host in ("EXCH01", "EXCH02"):
        base = kit.tree(tmp_path / "h" / f"Collection-{host}", kit.escaped("{}%3A", "auto"))
        (base / "uploads.json").write_bytes(b"")
        (base / "client_info.json").write_text(f'{{"Hostname": "{host}"}}')
        (base / "results").mkdir()
        (base / "results/Some.Artifact.json").write_text("{}")
    collection = collect([str(tmp_path / "h")])
    assert sorted(_hints(collection).values()) == ["EXCH01", "EXCH02"]
    assert kit.found(collection) == kit.expected()
