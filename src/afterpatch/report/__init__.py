"""Pure functions of an examination: the document, the terminal, the page."""

from typing import TYPE_CHECKING, Any

from afterpatch.report.catalogue import LANGUAGES, Catalogue
from afterpatch.report.document import document, examination_from, findings_jsonl, run_from, to_bytes
from afterpatch.report.run import RunInfo
from afterpatch.report.terminal import render_terminal
from afterpatch.report.text import message
from afterpatch.report.wording import wording

if TYPE_CHECKING:
    from afterpatch.report.html import render_html

__all__ = [
    "LANGUAGES",
    "Catalogue",
    "RunInfo",
    "document",
    "examination_from",
    "findings_jsonl",
    "message",
    "render_html",
    "render_terminal",
    "run_from",
    "to_bytes",
    "wording",
]


def __getattr__(name: str) -> Any:
    """The page is loaded by those who write one."""
    if name == "render_html":
        from afterpatch.report.html import render_html

        return render_html
    raise AttributeError(name)
