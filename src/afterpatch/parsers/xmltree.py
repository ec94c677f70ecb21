"""Configuration XML from evidence: read tolerantly, never fetched from anywhere, entities and DTDs not used,
bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from lxml import etree

from afterpatch.model import Notice

LIMIT = 8 << 20  # bytes of one configuration file; Exchange's largest have 2 MB
TRAILING_LIMIT = 64 << 10  # characters kept of what follows the root element
_HEIGHT = 16  # ancestors looked at for a location; IIS nests them one deep
_DECLARED = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_CODECS = re.compile(
    r"utf-?(?:7|8|16|32)(?:-?[lb]e)?|us-ascii|iso-?8859-\d{1,2}|windows-\d{3,4}|cp\d{3,5}|gb\w{3,5}|big5|shift_jis|"
    r"euc-?\w{2}|koi8-\w|latin-?1",
    re.IGNORECASE,
)
_BOMS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8"))
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_DOCTYPE = re.compile(r"<!DOCTYPE", re.IGNORECASE)
_SUBSET_END = re.compile(r"\]\s{0,64}>")
_HIDDEN = re.compile(r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)", re.DOTALL)
_NOT_LINE_END = re.compile(r"[^\n]")


@dataclass(frozen=True, slots=True)
class Tree:
    """A parsed file: `root` is None where there is none at all; `text` the decoded source with its DTD blanked;
    `trailing` what follows the end of the root element (comments too), `trailing_line` where that begins."""

    root: etree._Element | None
    text: str
    trailing: str
    trailing_line: int
    notices: tuple[Notice, ...]


def parse_xml(data: bytes, path: str) -> Tree:
    """The tree of a configuration file, as much of it as can be read. Never raises for what is in `data`.

    Notices: notice.xml-too-large (not read), notice.xml-encoding, notice.xml-control-characters, notice.xml-dtd (the
    DTD is not used), notice.xml-malformed (count: errors), notice.xml-empty (no element at all)."""
    if len(data) > LIMIT:
        return Tree(None, "", "", 0, (Notice(path, "", f"notice.xml-too-large: {len(data)}"),))
    notices: list[Notice] = []
    text = _clean(_decode(data, path, notices), path, notices)
    parser = etree.XMLParser(
        recover=True, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, encoding="utf-8"
    )
    try:
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError:
        root = None
    notices += _errors(parser, path, text)
    if root is None:
        return Tree(None, text, "", 0, (*notices, Notice(path, "", "notice.xml-empty")))
    trailing, line = _trailing(text, root)
    return Tree(root, text, trailing, line, tuple(notices))


def _decode(data: bytes, path: str, notices: list[Notice]) -> str:
    codec = ""
    for bom, name in _BOMS:
        if data.startswith(bom):
            data, codec = data[len(bom) :], name
            break
    if not codec:
        declared = _DECLARED.match(data.lstrip()[:400])
        codec = declared[1].decode("ascii") if declared is not None else "utf-8"
        codec = codec if _CODECS.fullmatch(codec) else "utf-8"
    try:
        return data.decode(codec)
    except (UnicodeDecodeError, LookupError) as error:
        notices.append(Notice(path, "", f"notice.xml-encoding: {type(error).__name__} {codec}"))
        return data.decode("utf-8", "replace")


def _clean(text: str, path: str, notices: list[Notice]) -> str:
    """Without an XML declaration's encoding, control characters and DTD; line numbers stay as they are."""
    text, controls = _CONTROL.subn("", text)
    if controls:
        notices.append(Notice(path, "", "notice.xml-control-characters", controls))
    text = re.sub(r"\A\s*<\?xml[^>]{0,400}\?>", lambda found: _blank(found[0]), text, count=1)
    masked = _HIDDEN.sub(lambda found: _blank(found[0]), text)
    found = _DOCTYPE.search(masked)
    if found is not None:
        start, end = found.start(), _dtd_end(masked, found.start())
        notices.append(Notice(path, f"line {text.count(chr(10), 0, start) + 1}", "notice.xml-dtd"))
        text = text[:start] + _blank(text[start:end]) + text[end:]
    return text


def _dtd_end(text: str, start: int) -> int:
    """The position behind the declaration that begins at `start`, with its internal subset where that is closed."""
    close, bracket = text.find(">", start), text.find("[", start)
    if bracket >= 0 and (close < 0 or bracket < close):
        subset = _SUBSET_END.search(text, bracket)
        if subset is not None:
            return subset.end()
    return close + 1 if close >= 0 else len(text)


def _blank(text: str) -> str:
    return _NOT_LINE_END.sub(" ", text)


def _errors(parser: etree.XMLParser, path: str, text: str) -> list[Notice]:
    log = list(parser.error_log)
    if not log or not text.strip():
        return []
    first = log[0]
    message = re.sub(r"\s+", " ", str(first.message))[:200]
    return [Notice(path, f"line {first.line}", f"notice.xml-malformed: {message}", len(log))]


def _trailing(text: str, root: etree._Element) -> tuple[str, int]:
    """What follows the root's end tag. Comments and CDATA are looked over when the end tag is searched."""
    name = str(root.tag)
    name = f"{root.prefix}:{local_name(root)}" if root.prefix else name.rpartition("}")[2]
    masked = _HIDDEN.sub(lambda found: _blank(found[0]), text)
    end = re.compile(rf"</\s*{re.escape(name)}\s*>").search(masked)
    if end is None:
        return "", 0
    rest = text[end.end() :]
    line = text.count("\n", 0, end.end() + len(rest) - len(rest.lstrip())) + 1
    return rest.strip()[:TRAILING_LIMIT], line if rest.strip() else 0


def local_name(element: etree._Element) -> str:
    """The element's name without namespace; "" for comments and processing instructions."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def line_of(element: etree._Element) -> int:
    """The source line of the element (from 1); 0 where unknown."""
    line: object = element.sourceline
    return line if isinstance(line, int) else 0


def find_all(root: etree._Element, path: str) -> Iterator[etree._Element]:
    """Elements whose name and nearest ancestors' names are `path` (`security/access`), in document order, without
    regard to namespaces. Works on trees that recovery has bent."""
    *parents, name = path.split("/")
    parents.reverse()
    for element in root.iter("{*}" + name):
        if _under(element, parents):
            yield element


def _under(element: etree._Element, parents: list[str]) -> bool:
    above = element.getparent()
    for name in parents:
        if above is None or local_name(above) != name:
            return False
        above = above.getparent()
    return True


def location_of(element: etree._Element) -> str:
    """The path of the `<location>` blocks around the element; "" where it stands in none (or in one without a path)."""
    above = islice(element.iterancestors(), _HEIGHT)
    parts = [one.get("path", "") for one in above if local_name(one) == "location"]
    return "/".join(part for part in reversed(parts) if part)
