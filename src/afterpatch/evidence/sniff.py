"""What the first bytes of a file say about it: pure functions of a name and a head.

Headers: Exchange writes `#Software`, `#Version`, `#Log-type`, `#Date`, `#Fields`, with or without BOM, request logs
with a plain CSV header row before them; IIS and HTTP.SYS write W3C headers; a rotated or cut file may have lost them.
"""

from __future__ import annotations

import re

from afterpatch.evidence.table import OTHER, Table

DIRECTIVE = re.compile(rb"#(Software|Log-type|Fields):[ \t]*(.*)", re.IGNORECASE | re.DOTALL)
DIRECTIVE_LINE = re.compile(rb"#(Software|Version|Log-type|Date|Fields):", re.IGNORECASE)
XML_NOISE = re.compile(rb"\s*(?:<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*>)", re.DOTALL)
BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


def extension_of(name: str) -> str:
    """The last extension, lower case, with dot; "" for none (also for `.name`)."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def plain(head: bytes) -> bytes:
    """The head as UTF-8 text without BOM and without the NULs of a pre-allocated or damaged file."""
    for bom, encoding in BOMS:
        if head.startswith(bom):
            body = head[len(bom) :]
            return body if encoding == "utf-8" else body.decode(encoding, "replace").encode("utf-8", "replace")
    return head.lstrip(b"\0") if head.startswith(b"\0") else head


def sniff(table: Table, name: str, head: bytes) -> str:
    """The kind the header tells, `other` where it tells none. `head` is up to HEAD_BYTES from the start."""
    for kind, at, magic in table.magics:
        if head[at : at + len(magic)] == magic:
            return kind
    text = plain(head)
    for judge in (_directives, _header_row, _xml, _shape):
        kind = judge(table, name, text)
        if kind != OTHER:
            return kind
    return OTHER


def _directives(table: Table, _name: str, text: bytes) -> str:
    """`#Log-type:` first, then `#Software:`, then the shape of `#Fields:`."""
    lines = text[:4096].splitlines()
    opening = [line for line in lines[:8] if line.strip()][:2]
    if not any(DIRECTIVE_LINE.match(line) for line in opening):
        return OTHER
    named = [found.groups() for line in lines if line[:1] == b"#" and (found := DIRECTIVE.match(line))]
    values = {key.lower(): value.decode("utf-8", "replace").strip() for key, value in named}
    for key, rules in ((b"log-type", table.log_types), (b"software", table.software)):
        for kind, pattern in rules:
            if pattern.fullmatch(values.get(key, "")):
                return kind
    if b"fields" in values:
        kind = _columns(table, re.split(r"[ ,]+", values[b"fields"]))
        if kind != OTHER:
            return kind
    return "exchange-log" if values.get(b"software", "").startswith("Microsoft Exchange") else OTHER


def _header_row(table: Table, _name: str, text: bytes) -> str:
    """A plain CSV header row, perhaps after the `#TYPE` line of PowerShell's Export-Csv."""
    for line in text.splitlines()[:3]:
        if line.startswith((b"#TYPE", b'"#TYPE')) or not line.strip():
            continue
        row = line.decode("utf-8", "replace")
        kind = _columns(table, row.replace('"', "").split(","))
        return "proxylogon-export" if kind == "httpproxy" and row.startswith('"') else kind
    return OTHER


def _columns(table: Table, names: list[str]) -> str:
    have = {name.strip().lower() for name in names}
    return next((rule.kind for rule in table.columns if rule.names <= have), OTHER)


def _xml(table: Table, name: str, text: bytes) -> str:
    start = 0
    while (noise := XML_NOISE.match(text, start)) and noise.end() > start:
        start = noise.end()
    body = text[start:].lstrip()
    if not body.startswith(b"<"):
        return OTHER
    suffix = extension_of(name)
    for rule in table.xml:
        if suffix not in rule.extensions or not re.match(rb"<" + rule.root + rb"[\s>/]", body):
            continue
        if rule.contains and rule.contains not in text:
            continue
        return OTHER if name.lower().endswith(table.not_web_config) else rule.kind
    return OTHER


def _shape(table: Table, _name: str, text: bytes) -> str:
    """A file without header whose first whole lines all look like one log; the first line may be cut."""
    lines = [line for line in text.splitlines()[:12] if line.strip() and not line.startswith(b"#")]
    if len(text) >= 4096 and len(lines) > 1:
        lines.pop()
    for kind, pattern in table.shapes:
        hits = sum(1 for line in lines if pattern.match(line))
        if hits and hits >= len(lines) - 1 and (hits > 1 or len(lines) == 1):
            return kind
    return OTHER


def quotes_log_lines(table: Table, text: bytes) -> bool:
    """Whether prose or a table quotes lines of a log (an incident note, a ticket, an export)."""
    return any(pattern.search(text) for pattern in table.quoted)
