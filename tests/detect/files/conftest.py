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


def make_item(path: str, content: bytes = b"", kind: str = "web-file", size: int | None = None, sha256: str = "") -> FileItem:
    """A file item without a file behind it."""
    length = len(content) if size is None else size
    artifact = Artifact(0, path, path, Locator(path), kind, "r", length)
    return FileItem(artifact, content, False, sha256 or hashlib.sha256(content).hexdigest(), length)


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
