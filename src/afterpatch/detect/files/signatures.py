"""Content signatures: YARA over the readings of a file."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

from afterpatch.detect.files.item import CheckFailure, FileContext, FileFinding, FileItem
from afterpatch.detect.files.metadata import CheckMeta, excerpt, parse_meta, quoted
from afterpatch.detect.files.paths import file_name, is_server_page, stem_and_extension
from afterpatch.detect.files.views import encode_table, narrow, unpermute
from afterpatch.detect.yara.compile import OURS, rule_meta
from afterpatch.detect.yara.scan import Match, scan_views
from afterpatch.model import SEVERITIES, severity_at_least
from afterpatch.model.shipped import shipped_yaml

MAX_PLAIN = 1024 * 1024
_ESCAPE = re.compile(rb"\\u00([0-7][0-9a-fA-F])|\\U000000([0-7][0-9a-fA-F])|\\x([2-7][0-9a-fA-F])")
_MAX_COMMENT = 400
_MAX_COMMENTS = 20_000
_JOIN = re.compile(rb"[\"']\s{0,8}[+&]\s{0,8}[\"']")
_JOINT = re.compile(rb"[+&]\s{0,8}[\"']")  # what every joint holds; seldom there
_LEVELS = {"informational": "info", "information": "info", "warning": "medium", "error": "high"}


def _without_comments(text: bytes) -> bytes:
    """Drop `/* ... */` of up to 400 bytes; linear in the length of the text."""
    parts: list[bytes] = []
    position = 0
    while len(parts) < _MAX_COMMENTS and (start := text.find(b"/*", position)) >= 0 and (end := text.find(b"*/", start + 2)) >= 0:
        keep = end + 2 if end - start > _MAX_COMMENT else start
        parts.append(text[position:keep])
        position = end + 2
    return b"".join((*parts, text[position:]))


def plain(content: bytes) -> bytes:
    """A page's text with character escapes read, short comments dropped and joined string pieces put together; b""
    where that changes nothing. Bounded to 1 MiB."""
    text = out = content[:MAX_PLAIN].removeprefix(codecs.BOM_UTF8)
    if b"\\" in out:
        out = _ESCAPE.sub(lambda found: bytes([int(found[1] or found[2] or found[3], 16)]), out)
    if b"/*" in out:
        out = _without_comments(out)
    if _JOINT.search(out):
        out = _JOIN.sub(b"", out)
    return b"" if out == text else out


@cache
def _permuted_marks() -> re.Pattern[bytes]:
    marks = (b"<%@ Page", b"<%@Page", b"<%@ page", b"<script ", b"<SCRIPT ", b'runat="server"')
    return re.compile(b"|".join(re.escape(mark.translate(encode_table())) for mark in marks))


def views_of(item: FileItem) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of the readings: as it is, UTF-16 text as bytes, plain text of a page, out of a PST's encoding."""
    yield "raw", item.content
    text = narrow(item.content)
    if text:
        yield "text", text
    if is_server_page(file_name(item.path)) or b"<%" in (text or item.content)[:65536]:
        simple = plain(text or item.content)
        if simple:
            yield "plain", simple
    if _permuted_marks().search(item.content):
        yield "pst", unpermute(item.content)


def _externals(item: FileItem) -> dict[str, str]:
    name = file_name(item.path)
    kind = "EXE" if item.content.startswith(b"MZ") else ""
    extension = stem_and_extension(name)[1]
    return {"filename": name[:255], "filepath": item.path[:1024], "extension": extension, "filetype": kind, "owner": ""}


@cache
def _groups() -> dict[str, Any]:
    source = resources.files("afterpatch.detect.yara").joinpath("groups.yml")
    return dict(shipped_yaml(source.read_text(encoding="utf-8")))


@cache
def signature_meta() -> dict[str, CheckMeta]:
    """The metadata of our YARA rules, in the form of the checks'."""
    found = {}
    for name, raw in rule_meta().items():
        values = {**_groups().get(str(raw.get("group", "")), {}), **raw, "level": raw["severity"]}
        if isinstance(raw.get("techniques"), str):
            values["techniques"] = str(raw["techniques"]).split(",")
        found[name] = parse_meta(name, values, {}, origin="yara")
    return found


def _of_user(match: Match) -> dict[str, Any]:
    """Title, level and texts of a user's rule, out of the metadata keys that public rules use."""
    meta = {str(key).lower(): str(value) for key, value in match.meta}
    level = meta.get("severity", meta.get("level", "")).lower()
    level = _LEVELS.get(level, level)
    if level not in SEVERITIES and meta.get("score", "").isdigit():
        score = int(meta["score"])
        level = "high" if score >= 75 else "medium" if score >= 50 else "low"
    return {
        "title": excerpt(meta.get("title") or meta.get("description") or match.rule),
        "severity": level if level in SEVERITIES else "medium",
        "explanation": excerpt(meta.get("explain") or meta.get("description") or ""),
        "family": excerpt(meta.get("family") or meta.get("malware_family") or ""),
    }


def _finding(item: FileItem, match: Match) -> FileFinding:
    raw = quoted(match.raw.decode("latin-1"))
    facts: tuple[tuple[str, str], ...] = (("reading", match.view),) if match.view != "raw" else ()
    place: dict[str, Any] = {"offset": match.offset if match.view == "raw" else None, "raw": raw, "origin": "yara"}
    if match.view == "raw" and match.offset is not None:
        place["line"] = item.content.count(b"\n", 0, match.offset) + 1
    if match.namespace != OURS:
        facts = (*facts, ("rule file", match.namespace))
        given = _of_user(match)
        return FileFinding(detection=match.rule, confidence="moderate", path=item.path, facts=facts, **given, **place)
    meta = signature_meta()[match.rule]
    return FileFinding(
        detection=match.rule,
        title=meta.title,
        severity=meta.level,
        confidence=meta.confidence,
        path=item.path,
        kind=meta.kind,
        family=meta.family,
        chain=meta.chain,
        stage="" if meta.confidence == "low" or not severity_at_least(meta.level, "high") else meta.stage,
        explanation=meta.explain,
        benign=meta.benign,
        next_steps=meta.next_steps,
        techniques=meta.techniques,
        facts=facts,
        **place,
    )


class SignatureAnalyser:
    """Our YARA rules and the user's."""

    name = "signatures"
    artifacts = ("web-file", "compiled-assembly", "suspicious-place")

    @property
    def detections(self) -> tuple[str, ...]:
        """Names of our rules."""
        return tuple(signature_meta())

    def analyse(self, item: FileItem, context: FileContext) -> Iterator[FileFinding]:
        """One finding a rule; a page that Microsoft ships exactly so is not scanned."""
        if context.rules is None or not item.content or context.is_stock(item):
            return
        matches, late = scan_views(context.rules, views_of(item), _externals(item))
        if any(view.endswith("!") for view in late):
            context.failures.append(CheckFailure(self.name, item.path, f"the scan ran out of time twice: {', '.join(late)}"))
        elif late:
            context.notice(item, "", f"notice.signature-timeout: {', '.join(late)}", len(late))
        for match in matches:
            if match.namespace != OURS or match.rule in signature_meta():
                yield _finding(item, match)
