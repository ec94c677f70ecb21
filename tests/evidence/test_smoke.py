"""The API others integrate against, in one go."""

from pathlib import Path

from afterpatch.evidence import collect, open_locator, read_bounded


def test_drive_folder_gives_server_paths(tmp_path: Path) -> None:
    log = tmp_path / "C" / "inetpub" / "logs" / "LogFiles" / "W3SVC1" / "u_ex210303.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"#Software: Microsoft Internet Information Services 10.0\r\n")
    collection = collect([str(tmp_path)])
    [artifact] = collection.artifacts
    assert artifact.path == "C:\\inetpub\\logs\\LogFiles\\W3SVC1\\u_ex210303.log"
    assert artifact.kind == "iis"
    with open_locator(artifact.locator) as stream:
        assert stream.readline().endswith(b"10.0\r\n")
    assert read_bounded(artifact.locator, 9) == (b"#Software", True)
