"""From a URL path to the files that could answer it on this server."""

from __future__ import annotations

from afterpatch.detect.files.item import ServerFacts
from afterpatch.knowledge import web_paths

_EXCHANGE = "{exchange}"


def files_of_url(url: str, facts: ServerFacts) -> tuple[str, ...]:
    """Candidate files of a URL path (no query), most specific folder first: by the server's own web roots, then by the
    stock table for both sites. Folders without the server's install path begin with a backslash."""
    path = url.partition("?")[0]
    stock = [(item.path, item.folder) for item in web_paths.virtual_directories() if item.pages == "yes"]
    found: dict[str, str] = {}
    for roots in ([(prefix, folder) for prefix, folder in facts.web_roots.items()], stock):
        best = max((len(prefix.rstrip("/")) for prefix, _ in roots if _below(path, prefix)), default=-1)
        for prefix, folder in roots:
            if _below(path, prefix) and len(prefix.rstrip("/")) == best:
                name = _joined(_expanded(folder, facts), path[len(prefix.rstrip("/")) :])
                found.setdefault(web_paths.path_key(name), name)
    return tuple(found.values())


def _below(path: str, prefix: str) -> bool:
    low, start = path.lower(), prefix.lower().rstrip("/")
    return low == start or low.startswith(start + "/")


def _joined(folder: str, rest: str) -> str:
    return folder.rstrip("\\") + "\\" + rest.strip("/").replace("/", "\\")


def _expanded(folder: str, facts: ServerFacts) -> str:
    text = folder.replace(_EXCHANGE, facts.install_path.rstrip("\\"))
    return text.replace("%SystemDrive%", "C:").replace("%windir%", "C:\\Windows")
