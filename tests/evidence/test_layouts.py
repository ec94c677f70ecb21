"""The same server in every layout gives the same paths and kinds."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from afterpatch.evidence import Collection, collect, open_locator

Make = Callable[[SimpleNamespace, Path], Path]


def _velociraptor(accessor: str, volume: str, folder: bool) -> Make:
    def make(kit: SimpleNamespace, tmp: Path) -> Path:
        rename = kit.escaped(volume.replace("%", "%25").replace(":", "%3A").replace("\\", "%5C"), accessor)
        side = {
            "uploads.json": kit.uploads_json(rename, accessor, volume),
            "client_info.json": b'{"Hostname": "EXCH01"}',
        }
        if not folder:
            return kit.zipped(tmp / "collection.zip", rename, side)
        for name, data in side.items():
            (tmp / "velo").mkdir(exist_ok=True)
            (tmp / "velo" / name).write_bytes(data)
        return kit.tree(tmp / "velo", rename)

    return make


def _kape_folder(kit: SimpleNamespace, tmp: Path) -> Path:
    kit.tree(tmp / "kape", kit.plain)
    (tmp / "kape" / "2021-03-10T120000_CopyLog.csv").write_bytes(kit.copy_log())
    return tmp / "kape"


def _kape_zip_beside_log(kit: SimpleNamespace, tmp: Path) -> Path:
    kit.zipped(tmp / "kape" / "2021-03-10T120000_x.zip", kit.plain)
    (tmp / "kape" / "2021-03-10T120000_CopyLog.csv").write_bytes(kit.copy_log())
    return tmp / "kape"


LAYOUTS: dict[str, tuple[str, Make]] = {
    "drives": ("drive", lambda kit, tmp: kit.tree(tmp / "given", kit.plain)),
    "one level down": ("drive", lambda kit, tmp: kit.tree(tmp / "given/x/y", kit.plain) and tmp / "given"),
    "colon": ("drive", lambda kit, tmp: kit.tree(tmp / "given", lambda p: p.replace("\\", "/"))),
    "escaped colon": ("drive", lambda kit, tmp: kit.tree(
        tmp / "g", lambda p: p.replace(":", "%3A").replace("\\", "/"))),
    "named": ("drive", lambda kit, tmp: kit.tree(tmp / "g", lambda p: p.lower()[0] + "_drive" + kit.plain(p)[1:])),
    "admin share": ("drive", lambda kit, tmp: kit.tree(tmp / "g", lambda p: p[0] + "$" + kit.plain(p)[1:])),
    "flat names with backslashes": ("drive", lambda kit, tmp: kit.tree(tmp / "g", lambda p: p)),
    "zip": ("archive", lambda kit, tmp: kit.zipped(tmp / "all.zip", kit.plain)),
    "zip with backslashes": ("archive", lambda kit, tmp: kit.zipped(tmp / "all.zip", lambda p: p)),
    "zip without suffix": ("archive", lambda kit, tmp: kit.zipped(tmp / "all", kit.plain)),
    "zip in zip": ("archive", lambda kit, tmp: kit.zipped(
        tmp / "outer.zip", lambda p: "left/" + kit.plain(p), {"readme": b"-"})),
    "tar": ("archive", lambda kit, tmp: kit.tarred(tmp / "all.tar", "w")),
    "tar.gz": ("archive", lambda kit, tmp: kit.tarred(tmp / "all.tar.gz", "w:gz")),
    "tgz": ("archive", lambda kit, tmp: kit.tarred(tmp / "all.tgz", "w:gz")),
    "tar.bz2": ("archive", lambda kit, tmp: kit.tarred(tmp / "all.tar.bz2", "w:bz2")),
    "tar.xz": ("archive", lambda kit, tmp: kit.tarred(tmp / "all.tar.xz", "w:xz")),
    "CyLR": ("cylr", lambda kit, tmp: kit.zipped(tmp / "EXCH01.zip", kit.plain)),
    "KAPE folder": ("kape", _kape_folder),
    "KAPE zip": ("kape", lambda kit, tmp: kit.zipped(tmp / "k.zip", kit.plain, {"2021_CopyLog.csv": kit.copy_log()})),
    "KAPE zip beside its log": ("kape", _kape_zip_beside_log),
    "Velociraptor auto zip": ("velociraptor", _velociraptor("auto", "{}:", False)),
    "Velociraptor ntfs zip": ("velociraptor", _velociraptor("ntfs", "\\\\.\\{}:", False)),
    "Velociraptor unpacked": ("velociraptor", _velociraptor("lazy_ntfs", "\\\\.\\{}:", True)),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_the_server_paths(name: str, kit: SimpleNamespace, tmp_path: Path) -> None:
    layout, make = LAYOUTS[name]
    collection = collect([str(make(kit, tmp_path))])
    files = {pair for pair in kit.found(collection) if not pair[0].endswith("readme")}
    assert files == kit.expected()
    assert collection.sources[0].layout == layout
    [root] = {artifact.root for artifact in collection.artifacts if artifact.path[1:2] == ":"}
    assert next(item for item in collection.roots if item.key == root).drives == ("C:", "D:")


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_the_bytes(name: str, kit: SimpleNamespace, tmp_path: Path) -> None:
    collection = collect([str(LAYOUTS[name][1](kit, tmp_path))])
    for artifact in collection.artifacts:
        if artifact.path in kit.SERVER:
            with open_locator(artifact.locator) as stream:
                assert stream.read() == kit.SERVER[artifact.path][0]


@pytest.mark.parametrize("name", ["drives", "KAPE zip", "Velociraptor ntfs zip", "tar.gz"])
def test_collecting_twice_gives_the_same(name: str, kit: SimpleNamespace, tmp_path: Path) -> None:
    path = str(LAYOUTS[name][1](kit, tmp_path))
    assert collect([path]) == collect([path])


def test_order_and_index(kit: SimpleNamespace, tmp_path: Path) -> None:
    artifacts = collect([str(kit.tree(tmp_path, kit.plain))]).artifacts
    assert [item.index for item in artifacts] == list(range(len(artifacts)))
    assert list(artifacts) == sorted(artifacts, key=lambda item: (item.root, item.path, item.shown))


@pytest.mark.parametrize(
    ("inside", "path"),
    [
        ("inetpub/logs/LogFiles/W3SVC1/u_ex210303.log", "inetpub\\logs\\LogFiles\\W3SVC1\\u_ex210303.log"),
        ("a/b/LogFiles/W3SVC1/u_ex210303.log", "LogFiles\\W3SVC1\\u_ex210303.log"),
        ("copy/W3SVC1/u_ex210303.log", "W3SVC1\\u_ex210303.log"),
        ("left/Logging/HttpProxy/Ecp/HttpProxy_1.LOG", "Logging\\HttpProxy\\Ecp\\HttpProxy_1.LOG"),
        ("y/D/Exchange Server/V15/Logging/Ews/a.log", "D:\\Exchange Server\\V15\\Logging\\Ews\\a.log"),
        ("u_ex210303.log", "u_ex210303.log"),
        ("some/where/loose.log", "some\\where\\loose.log"),
    ],
)
def test_partial_layouts_keep_the_recognised_end(
    inside: str, path: str, kit: SimpleNamespace, one: Callable[..., Collection]
) -> None:
    [artifact] = one({inside: kit.IIS}).artifacts
    assert (artifact.path, artifact.kind) == (path, "iis")


def test_a_folder_deep_inside_a_server_path_knows_where_it_lies(kit: SimpleNamespace, tmp_path: Path) -> None:
    kit.tree(tmp_path, kit.plain)
    deep = tmp_path / "D/Program Files/Microsoft/Exchange Server/V15/Logging"
    assert kit.found(collect([str(deep)])) == {pair for pair in kit.expected() if "\\Logging\\" in pair[0]}
    loose = tmp_path / "C/inetpub/logs/LogFiles/W3SVC1/u_ex210303.log"
    assert kit.found(collect([str(loose)])) == {("C:\\inetpub\\logs\\LogFiles\\W3SVC1\\u_ex210303.log", "iis")}


def test_evidence_that_was_put_into_a_staging_place_is_not_of_it(kit: SimpleNamespace, tmp_path: Path) -> None:
    given = tmp_path / "C/Users/Public/case"
    given.mkdir(parents=True)
    (given / "notes.bin").write_bytes(b"-")
    assert kit.found(collect([str(given)])) == {("notes.bin", "other")}
    assert kit.found(collect([str(tmp_path)])) == {("C:\\Users\\Public\\case\\notes.bin", "suspicious-place")}


def test_a_mounted_system_drive_without_letter_is_c(kit: SimpleNamespace, tmp_path: Path) -> None:
    kit.tree(tmp_path / "mounted", lambda p: kit.plain(p)[2:] if p[0] == "C" else "../d/" + kit.plain(p)[2:])
    assert kit.found(collect([str(tmp_path / "mounted")])) == {pair for pair in kit.expected() if pair[0][0] == "C"}


def test_loose_compressed_log(kit: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "u_ex210303.log.gz").write_bytes(gzip.compress(kit.IIS))
    [artifact] = collect([str(tmp_path / "u_ex210303.log.gz")]).artifacts
    assert (artifact.path, artifact.kind, artifact.size) == ("u_ex210303.log", "iis", len(kit.IIS))
    with open_locator(artifact.locator) as stream:
        assert stream.read() == kit.IIS


def test_rotated_logs_are_opened_in_folders_and_archives(kit: SimpleNamespace, tmp_path: Path) -> None:
    folder = tmp_path / "given/C/inetpub/logs/LogFiles/W3SVC1"
    folder.mkdir(parents=True)
    (folder / "u_ex210301.log.gz").write_bytes(gzip.compress(kit.IIS))
    with zipfile.ZipFile(folder / "u_ex2102.zip", "w") as archive:
        archive.writestr("u_ex210201.log", kit.IIS)
    collection = collect([str(tmp_path / "given")])
    paths = {item.path for item in collection.artifacts}
    assert "C:\\inetpub\\logs\\LogFiles\\W3SVC1\\u_ex210301.log" in paths
    assert "C:\\inetpub\\logs\\LogFiles\\W3SVC1\\u_ex210201.log" in paths
    outer = kit.zipped(tmp_path / "o.zip", kit.plain, {
        "C/inetpub/logs/LogFiles/W3SVC1/u_ex210301.log.gz": gzip.compress(kit.IIS)})  # fmt: skip
    inner = [item for item in collect([str(outer)]).artifacts if item.shown.endswith(".gz")]
    assert [(item.path, item.kind) for item in inner] == [("C:\\inetpub\\logs\\LogFiles\\W3SVC1\\u_ex210301.log", "iis")]
    with open_locator(inner[0].locator) as stream:
        assert stream.read() == kit.IIS


def test_archives_in_web_roots_and_staging_places_stay_closed(kit: SimpleNamespace, tmp_path: Path) -> None:
    kit.tree(tmp_path, kit.plain)
    kit.zipped(tmp_path / "C/inetpub/wwwroot/aspnet_client/it.zip", kit.plain)
    kit.zipped(tmp_path / "C/ProgramData/pst/it.zip", kit.plain)
    collection = collect([str(tmp_path)])
    assert kit.found(collection) - kit.expected() == {
        ("C:\\inetpub\\wwwroot\\aspnet_client\\it.zip", "web-file"),
        ("C:\\ProgramData\\pst\\it.zip", "suspicious-place"),
    }


def test_an_archive_elsewhere_on_the_server_gives_only_its_logs(kit: SimpleNamespace, tmp_path: Path) -> None:
    kit.tree(tmp_path, kit.plain)
    kit.zipped(tmp_path / "D/Backup/old.zip", kit.plain)
    collection = collect([str(tmp_path)])
    extra = kit.found(collection) - kit.expected()
    assert ("D:\\Backup\\old.zip", "other") in extra
    assert ("D:\\Backup\\old.zip\\C:\\inetpub\\logs\\LogFiles\\W3SVC1\\u_ex210303.log", "iis") in extra
    assert not [path for path, kind in extra if kind == "web-file"]
    assert {root.key for root in collection.roots} == {tmp_path.name}


def test_shadow_copies_stay_apart_from_the_drive(kit: SimpleNamespace, tmp_path: Path) -> None:
    device = "%5C%5C%3F%5CGLOBALROOT%5CDevice%5CHarddiskVolumeShadowCopy3"
    rename = lambda p: (f"uploads/ntfs_vss/{device}/" if p[0] == "C" else "uploads/ntfs_vss/D%3A/") + kit.plain(p)[2:]  # noqa: E731
    collection = collect([str(kit.zipped(tmp_path / "v.zip", rename, {"uploads.json": b""}))])
    paths = {item.path: item.kind for item in collection.artifacts}
    assert paths["VSS3\\C:\\inetpub\\logs\\LogFiles\\W3SVC1\\u_ex210303.log"] == "iis"
    assert paths["VSS3\\C:\\root\\tool.bin"] == "suspicious-place"
    assert collection.roots[0].drives == ("D:", "VSS3\\C:")


def test_velociraptor_components_win_over_the_escaped_name(kit: SimpleNamespace, tmp_path: Path) -> None:
    row = {"vfs_path": "uploads/auto/0001.bin", "file_size": 10, "uploaded_size": 4,
           "_Components": ["uploads", "auto", "C:", "inetpub", "logs", "LogFiles", "W3SVC1", "a%2Fb.log"]}  # fmt: skip
    (tmp_path / "v/uploads/auto").mkdir(parents=True)
    (tmp_path / "v/uploads/auto/0001.bin").write_bytes(kit.IIS)
    (tmp_path / "v/uploads.json").write_text(json.dumps(row))
    collection = collect([str(tmp_path / "v")])
    artifact = next(item for item in collection.artifacts if item.kind == "iis")
    assert artifact.path == "C:\\inetpub\\logs\\LogFiles\\W3SVC1\\a%2Fb.log"
    assert artifact.partial
    assert [notice.reason for notice in collection.notices] == ["notice.partial-upload"]
