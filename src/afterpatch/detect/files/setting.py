"""One configuration file under judgement, and how a finding about an element of it is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from afterpatch.detect.files.item import FileContext, FileFinding, FileItem
from afterpatch.detect.files.metadata import fire, load_data
from afterpatch.detect.files.paths import file_name, normal, place_of
from afterpatch.parsers.sections import expand, server_environment

# what another application's own web.config sets for itself
_EXPECTED_ELSEWHERE = frozenset(
    {
        "iis-managed-module-foreign", "iis-handler-foreign", "iis-compiler-hook", "iis-viewstate-unsigned",
        "iis-filtering-hole", "iis-rewrite-to-page",
    }
)  # fmt: skip


@cache
def known(name: str) -> frozenset[str]:
    """A list of `data/iis.yml`, lower case."""
    return frozenset(str(value).lower() for value in load_data("iis")[name])


@dataclass(frozen=True, slots=True)
class Setting:
    """The file, its server, and the lines of its text."""

    item: FileItem
    context: FileContext
    lines: list[bytes] = field(default_factory=list)

    @property
    def other_application(self) -> bool:
        """Whether the file configures an application that is neither Exchange's nor the site's root."""
        place = place_of(self.item.path, self.context.facts)
        own = self.item.artifact.kind.startswith("iis-config") or file_name(self.item.path).lower() == "applicationhost.config"
        return not own and place.scripts in ("foreign", "elsewhere")

    @property
    def install_path(self) -> str:
        """Exchange's folder, "" unknown."""
        return self.context.facts.install_path

    def expand(self, path: str) -> str:
        """A path with the server's variables put in."""
        drive = self.item.path[:2] if self.item.path[1:2] == ":" else "C:"
        return expand(path, server_environment(drive, self.install_path))

    def raw(self, line: int) -> str:
        """The text of a line of the file, "" where there is none."""
        if not self.lines:
            self.lines.extend(self.item.content.split(b"\n"))
        return self.lines[line - 1][:2000].decode("utf-8", "replace") if 0 < line <= len(self.lines) else ""

    def fire(
        self, detection: str, line: int, target: str = "", facts: dict[str, str] | None = None, **changes: Any
    ) -> FileFinding:
        """A finding about the element at a line; `target` is the file or folder it names."""
        if self.other_application and detection in _EXPECTED_ELSEWHERE:
            changes["severity"] = "low"
        pairs = tuple((key, value[:300]) for key, value in (facts or {}).items() if value)
        raw = changes.pop("raw", "") or self.raw(line)
        return fire(detection, target or self.item.path, line=line or None, raw=raw, facts=pairs, **changes)


def in_drop_folder(path: str) -> bool:
    """Whether a program or web folder lies where only intruders put one: ProgramData, a user's folder, Temp, UNC."""
    text = normal(path)
    below = text[2:] if text[1:2] == ":" else text
    if path.startswith("\\\\") and not path.startswith(("\\\\?\\", "\\\\.\\")):
        return True
    return any(below.startswith(folder) for folder in known("drop_folders"))


def bad_image(path: str) -> bool:
    """Whether a library bears the published name of a malicious module."""
    return file_name(path).lower() in known("bad_images")
