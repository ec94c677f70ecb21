"""Server pages, judged by what their code does.

The way of a page: bytes -> readings (`decode`) -> segments (`lexer`, `phplex`, `razor`) -> one text a language
(`stitch`) -> common nodes (`csharp`, `jscript`, `vb`, `php`, `java`; `ir`) -> half-known values (`machine` and its
platforms) -> sink events (`scope`) -> flows and severity (`grade`). `page.analyse_page` is the one entry; `analyser` is
the door to the file checks. What calls mean stands in `data/*.yml`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from afterpatch.detect.pages.verdict import Flow, PageVerdict, Step

if TYPE_CHECKING:
    from afterpatch.detect.pages.page import analyse_page

__all__ = ["Flow", "PageVerdict", "Step", "analyse_page"]


def __getattr__(name: str) -> Any:
    """`analyse_page` loads every parser: only where it is asked for."""
    if name != "analyse_page":
        raise AttributeError(name)
    from afterpatch.detect.pages.page import analyse_page

    return analyse_page
