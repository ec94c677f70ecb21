"""Files made for the tests of the file checks. Anything that resembles a shell is stored reversed or in base64."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import pytest

from afterpatch.detect.files.item import FileContext, FileItem
from afterpatch.model import Artifact, Locator

EXCHANGE = "C:\\Program Files\\Microsoft\\Exchange Server\\V15\\"
OWA_AUTH = EXCHANGE + "FrontEnd\\HttpProxy\\owa\\auth\\"
ASPNET_CLIENT = "C:\\inetpub\\wwwroot\\aspnet_client\\"
LETTERS = "".join(chr(code) for code in range(97, 123))


def unb64(text: str) -> bytes:
    """Test content that must not stand in clear in the source."""
    return base64.b64decode(text)


def make_item(path: str, content: bytes = b"", kind: str = "web-file", size: int | None = None) -> FileItem:
    """A file item without a file behind it."""
    length = len(content) if size is None else size
    artifact = Artifact(0, path, path, Locator(path), kind, "r", length)
    return FileItem(artifact, content, False, hashlib.sha256(content).hexdigest(), length)


class FakeBaseline:
    """A baseline that ships the named paths (lower case ends) with the named hashes and knows one build."""

    def __init__(self, paths: dict[str, set[str]], build: str = "15.2.792.10") -> None:
        self.paths, self.build = {path.lower(): hashes for path, hashes in paths.items()}, build

    def _hashes(self, path: str) -> set[str] | None:
        low = path.lower()
        return next((hashes for known, hashes in self.paths.items() if low.endswith(known)), None)

    def knows_path(self, path: str) -> bool:
        return self._hashes(path) is not None

    def knows(self, path: str, sha256: str) -> bool:
        return sha256 in (self._hashes(path) or set())

    def knows_build(self, build: str) -> bool:
        return build == self.build


@pytest.fixture(autouse=True)
def _raise_bugs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFTERPATCH_RAISE", "1")


@pytest.fixture
def context() -> FileContext:
    """Nothing known of the server."""
    return FileContext()


@pytest.fixture
def fired(context: FileContext) -> Callable[[FileItem], dict[str, str]]:
    """Detection -> severity of one file under an empty context."""
    from afterpatch.detect.files.driver import analyse_file

    return lambda item: {found.detection: found.severity for found in analyse_file(item, context)}
