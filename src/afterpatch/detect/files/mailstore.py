"""Mail stores that hold a server page behind the byte table of their own encoding (MS-PST 5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from afterpatch.detect.files.item import FileContext, FileFinding, FileItem
from afterpatch.detect.files.metadata import fire, load_table
from afterpatch.detect.files.paths import file_name
from afterpatch.detect.files.views import encode_table, unpermute
from afterpatch.detect.files.wholefile import whole_content
from afterpatch.detect.pages.verdict import at_least

MAGIC = b"!BDN"
WINDOW = 64 * 1024
_PAGE = re.compile(
    rb"<%@\s{0,20}(?:page|webhandler|webservice|control|master|application|import|assembly)\b"
    rb"|<script\b[^<>]{0,200}\brunat\s{0,4}=\s{0,4}[\"']?server",
    re.IGNORECASE,
)


class MailStoreAnalyser:
    """PST files, decoded and encoded by their permutation. What stands in clear is the page analysis' business."""

    name = "mailstore"
    artifacts = ("web-file", "suspicious-place")
    detections = tuple(load_table("mailstore"))

    def analyse(self, item: FileItem, context: FileContext) -> Iterable[FileFinding]:
        """At most one finding."""
        if not item.content.startswith(MAGIC):
            return
        data = whole_content(item)
        if data is None:
            context.notice(item, "", "notice.mail-store-read-in-part")
            data = item.content
        for how, text in (("decoded", unpermute(data)), ("encoded", data.translate(encode_table()))):
            match = _PAGE.search(text)
            if match is None:
                continue
            piece = text[max(0, match.start() - 256) : match.start() + WINDOW]
            from afterpatch.detect.pages.page import analyse_page  # the parsers are loaded where something is to be read

            verdict = analyse_page(file_name(item.path) + ".aspx", piece)
            severity = "critical" if at_least(verdict.severity, "high") else "high"
            raw = text[match.start() : match.start() + 300].decode("latin-1")
            facts = (("table", how), ("page", verdict.severity), ("family", verdict.family))
            given = tuple(pair for pair in facts if pair[1])
            yield fire("mail-store-with-page", item.path, severity=severity, facts=given, raw=raw, offset=match.start())
            return
