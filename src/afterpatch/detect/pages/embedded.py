"""Code inside a page's own constants: style sheets with script, and pages that the page writes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from afterpatch.detect.pages.machine import Machine
from afterpatch.detect.pages.scope import Event
from afterpatch.detect.pages.value import Value
from afterpatch.detect.pages.verdict import at_least

MAX_EMBEDDED = 4
_STYLE_SCRIPT = re.compile(
    r"<[\w-]{1,30}:script\b[^>]{0,300}?(?:language\s{0,4}=\s{0,4}[\"']{1,2}([\w#.]{1,20}))?[\"']?[^>]{0,300}>(.{1,60000}?)</[\w-]{1,30}:script",
    re.IGNORECASE | re.DOTALL,
)
_CDATA = re.compile(r"<!\[CDATA\[|\]\]>")
_PHP_STYLE = re.compile(r"php\.net/xsl.{1,4000}?:function(?:string)?\(", re.IGNORECASE | re.DOTALL)
_PAGE = re.compile(r"<%|<\?(?:php|=)|runat\s{0,4}=\s{0,4}[\"'\\]{0,2}server", re.IGNORECASE)
_USING = re.compile(r"<[\w-]{1,30}:(?:assembly|using)\b[^>]{0,400}>")


def style_scripts(text: str) -> list[tuple[str, str]]:
    """Script blocks of a style sheet: language and code."""
    return [
        (match.group(1) or "jscript", _CDATA.sub("", _USING.sub("", match.group(2)))) for match in _STYLE_SCRIPT.finditer(text)
    ][:4]


def embedded_events(
    machine: Machine,
    run_code: Callable[[str, str], Sequence[Event]],
    judge_page: Callable[[str], tuple[str, int]],
) -> list[Event]:
    """Events out of the machine's constants. `run_code(code, language)` gives the events of script, `judge_page(text)`
    the severity of a page."""
    kinds = {event.kind for event in machine.events.values()}
    found: list[Event] = []
    for text, line in list(machine.embedded.items())[:MAX_EMBEDDED]:
        if "xslt-script" in kinds:
            for language, code in style_scripts(text):
                found.extend(run_code(code, language))
        if _PHP_STYLE.search(text):
            found.append(Event("xslt-script", "registerPHPFunctions", line, {"embedded": Value(const=True)}))
        if (kinds & {"file-write", "file-open"} or machine.carries_pages) and _PAGE.search(text):
            severity, inner = judge_page(text)
            if at_least(severity, "high"):
                found.append(Event("written-page", "text of a page", line + max(inner - 1, 0), {}))
    return found
