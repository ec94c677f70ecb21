"""The text of a virtual directory, written into a web folder: what CVE-2021-27065 leaves.

The file is what Exchange prints for the OAB virtual directory: one property a line, the name padded with spaces, ` : `,
the value. The attacker's script stood in ExternalUrl. The dump also tells when the property was set (WhenChangedUTC)
and on which server, whatever the file system says (source: CISA AR21-084A, Microsoft's published detection).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from urllib.parse import unquote

from afterpatch.detect.files.item import FileContext, FileFinding, FileItem
from afterpatch.detect.files.metadata import fire, load_data, load_table
from afterpatch.detect.files.paths import file_name, is_server_page, place_of
from afterpatch.detect.files.views import line_at, text_of

MAX_DUMP = 512 * 1024
MAX_VALUE = 8192
_LINE = re.compile(r"^[ \t\ufeff]{0,8}([A-Za-z]{2,40}) {0,64}: ?([^\r\n]{0,8192})", re.MULTILINE)
_SERVER_BLOCK = re.compile(
    r"<script\b[^<>]{0,300}\brunat\b|runat\s{0,8}=\s{0,8}[\"']?server|<script\b[^<>]{0,100}\blanguage|<%|page\s{1,8}language|/script",
    re.IGNORECASE,
)
_URL_HEAD = re.compile(r"\s{0,8}(https?://[^/<\s]{1,253}/?)", re.IGNORECASE)
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})[T ]\s?(\d{1,2}):(\d{2}):(\d{2})")
_PARTS = re.compile(r"(\d{1,2})([/.-])(\d{1,2})[/.-](\d{4}),? (\d{1,2})[:.](\d{2})[:.](\d{2})(?: ?([AP])\.?M\.?)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class VirtualDirectoryDump:
    """A parsed dump. `values`: property -> value; `script_offset`: where server script begins in the text, or None."""

    values: dict[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    script_offset: int | None = None
    text: str = ""

    @property
    def url_property(self) -> str:
        """The URL property that holds the odd value: ExternalUrl before InternalUrl."""
        for name in ("ExternalUrl", "InternalUrl"):
            if _SERVER_BLOCK.search(unquote(self.values.get(name, "")[:MAX_VALUE])):
                return name
        return "ExternalUrl" if "ExternalUrl" in self.values else "InternalUrl"

    @property
    def dummy_host(self) -> str:
        """The URL in front of the script (`http://f/`), "" where none."""
        match = _URL_HEAD.match(self.values.get(self.url_property, ""))
        return match.group(1) if match else ""


@cache
def _known() -> tuple[dict[str, str], int]:
    data = load_data("oab_properties")
    return {name.lower(): name for name in data["names"]}, int(data["least"])


@cache
def _anchors() -> tuple[bytes, ...]:
    names = load_data("oab_properties")["anchors"]
    return tuple(name.lower().encode(coding) for name in names for coding in ("utf-8", "utf-16-le", "utf-16-be"))


def _may_be_dump(content: bytes) -> bool:
    """Whether a property that every dump has stands there at all."""
    low = content.lower()
    return any(anchor in low for anchor in _anchors())


def parse_dump(content: bytes) -> VirtualDirectoryDump | None:
    """The dump in a file's first 512 KiB (ASCII, UTF-8 or UTF-16), or None where it is none: fewer than five known
    property names at line starts, or no URL property among them."""
    head = content[:MAX_DUMP]
    if not _may_be_dump(head):
        return None
    text = text_of(head)
    known, least = _known()
    values: dict[str, str] = {}
    for match in _LINE.finditer(text):
        name = known.get(match.group(1).lower())
        if name and name not in values:
            values[name] = match.group(2).strip()
    if len(values) < least or not values.keys() & set(load_data("oab_properties")["anchors"]):
        return None
    return VirtualDirectoryDump(values, tuple(values), _script_offset(text), text)


def _script_offset(text: str) -> int | None:
    match = _SERVER_BLOCK.search(text)
    if match:
        return match.start()
    encoded = re.search(r"%3c(?:script|%25)", text, re.IGNORECASE)
    return encoded.start() if encoded else None


def day_first(texts: Iterable[str]) -> bool | None:
    """Whether the server's culture writes the day before the month, as any of its dates shows; None where none does."""
    for text in texts:
        match = _PARTS.match(text.strip())
        if match is None:
            continue
        first, second, half = int(match[1]), int(match[3]), match[8]
        if half or second > 12:
            return False
        if match[2] == "." or first > 12:
            return True
    return None


def parse_time(text: str, *, day: bool | None = None) -> datetime | None:
    """A date as Exchange prints it in the server's culture. Day and month are told apart by AM/PM (US), dots (day
    first) or a number above 12, else by `day`, which other dates of the dump may tell; None where nothing does."""
    match = _ISO.match(text.strip())
    if match:
        year, month, number, hour, minute, second = (int(part) for part in match.groups())
        return _moment(year, month, number, hour, minute, second)
    match = _PARTS.match(text.strip())
    if not match:
        return None
    first, separator, second_part, year_text, hour_text, minute_text, second_text, half = match.groups()
    one, two, hour = int(first), int(second_part), int(hour_text)
    if half:
        hour = hour % 12 + (12 if half.upper() == "P" else 0)
    if two > 12 or half:
        month, day_number = one, two
    elif one > 12 or separator == "." or one == two:
        month, day_number = two, one
    elif day is not None:
        month, day_number = (two, one) if day else (one, two)
        return _moment(int(year_text), month, day_number, hour, int(minute_text), int(second_text))
    else:
        return None
    return _moment(int(year_text), month, day_number, hour, int(minute_text), int(second_text))


def _moment(year: int, month: int, day: int, hour: int, minute: int, second: int) -> datetime | None:
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def dump_times(values: dict[str, str]) -> tuple[tuple[str, datetime], ...]:
    """The UTC moments of a dump. WhenChanged without UTC is local time of an unknown zone and is left out."""
    order = day_first(value for name, value in values.items() if name.startswith("When"))
    pairs = ((name, parse_time(values.get(name, ""), day=order)) for name in ("WhenChangedUTC", "WhenCreatedUTC"))
    return tuple((name, moment) for name, moment in pairs if moment)


_FACTS = (
    "Identity", "Server", "Guid", "WhenChanged", "WhenChangedUTC", "WhenCreated", "WhenCreatedUTC",
    "MetabasePath", "AdminDisplayVersion", "OriginatingServer",
)  # fmt: skip


def _facts(dump: VirtualDirectoryDump) -> tuple[tuple[str, str], ...]:
    facts = [(name, dump.values[name][:300]) for name in _FACTS if dump.values.get(name)]
    if dump.dummy_host:
        facts.append(("url", dump.dummy_host))
    facts.append(("properties", str(len(dump.names))))
    return tuple(facts)


def _property_line(dump: VirtualDirectoryDump) -> str:
    """The line of the URL property as it stands in the file."""
    wanted = dump.url_property.lower()
    return next((match[0] for match in _LINE.finditer(dump.text) if match[1].lower() == wanted), "")


class OabDumpAnalyser:
    """Finds virtual-directory dumps with and without script."""

    name = "oabdump"
    artifacts = ("web-file", "suspicious-place")
    detections = tuple(load_table("oabdump"))

    def analyse(self, item: FileItem, context: FileContext) -> Iterable[FileFinding]:
        """At most one finding: the dump with script, its remnant, or a text export that nobody serves."""
        dump = parse_dump(item.content)
        if dump is None:
            return
        place = place_of(item.path, context.facts)
        served = place.web or is_server_page(file_name(item.path))
        offset = dump.script_offset
        raw = _property_line(dump)
        common = {"times": dump_times(dump.values), "facts": _facts(dump)}
        if offset is not None:
            line = line_at(dump.text, offset)
            severity = "critical" if served else "high"
            yield fire(
                "oab-dump-script",
                item.path,
                severity=severity,
                line=line,
                raw=raw,
                **common,
            )
        elif served:
            yield fire("oab-dump-remnant", item.path, raw=raw, **common)
        else:
            yield fire("oab-dump-text", item.path, raw=raw, **common)
