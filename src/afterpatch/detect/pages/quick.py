"""A cheap test before a page is read: what names nothing that a sink needs cannot be a finding.

First the bytes are searched, whole, for the words of `needs.py` and for marks of anything unusual: other encodings,
escapes, text that could hold a page of its own, calls by a name in brackets. Where that leaves a doubt, the page is taken
apart and only its code is searched. What is still in doubt is read as ever. Every step may say "read it" for no reason,
none may say "silent" wrongly: the words that stand in strings only play a part where something can call by a string,
and whatever can is among the words. Tests hold it against the whole analysis.
"""

from __future__ import annotations

import re
from functools import cache

from afterpatch.detect.pages.budget import MAX_CODE
from afterpatch.detect.pages.catalogue import load_data
from afterpatch.detect.pages.decode import MAX_BYTES, head_of, plain_text
from afterpatch.detect.pages.filekinds import ASPNET, CURLED, JSP, PHP, RAZOR, SOURCE_FILES
from afterpatch.detect.pages.lexer import Page, lex
from afterpatch.detect.pages.needs import needs
from afterpatch.detect.pages.razor import lex_razor, lex_razor_vb
from afterpatch.detect.pages.stitch import add_whole, guess, language_of, whole_unit
from afterpatch.detect.pages.textual import textual_events
from afterpatch.detect.pages.treebase import plain_names, unescape
from afterpatch.detect.pages.wordsearch import WordSearch

# White space as the readers of text see it: what is not ASCII may be white space, too.
_S = rb"[\s\x1c-\x1f\x80-\xff]"
_AT = rb"<%" + _S + rb"{0,40}@"
_DIRECTIVE = _AT + rb"(?:[^%]|%[^>])*"
_ANY_CASE = b"[Ff][Uu][Nn][Cc][Tt][Ii][Oo][Nn]"
# `Function` as a class of JScript: any spelling of the word but that of the keyword.
_FUNCTION_CLASS = b"|".join(
    rb"\b" + b"function"[:at] + b"FUNCTION"[at : at + 1] + _ANY_CASE[4 * at + 4 :] + rb"\b" for at in range(8)
)
# Marks of pages that are always read: (expression, whether case is told apart).
_ALWAYS: dict[str, tuple[bytes, bool]] = {
    "nul": (rb"\x00", True),
    "encoded script": (rb"#@~\^", True),
    "php": (rb"<\?(?:php|=)|<script\b[^>]*php|php\.net/xsl", False),
    "utf-7": (rb"\+AD[wx]", True),
    "code page": (rb"codepage\s{0,4}=\s{0,4}[\"']?65000|utf-?7", False),
    "percent": (rb"%3c(?:%25|script|%3f)", False),
    "ebcdic": (re.escape("<%@".encode("cp037")), True),
    "java": (rb"<[\w\x80-\xff-]{1,90}:(?:scriptlet|declaration|expression)\b", False),
    "letters": (rb"\xe2\x84\xaa|\xc5\xbf|\xc4[\xb0\xb1]", True),  # whose lower or upper case is an ASCII letter
    "program": (rb"yv66v|cafebabe|CAFEBABE|\$\$BCEL\$\$|TV[qp]Q|TVoA|TVqA|4d5a90|4D5A90|0x4d5a|f0VMR|AAEAAAD/////|rO0AB", True),
}
# Marks after which the code is looked at by itself.
_DOUBTS: dict[str, tuple[bytes, bool]] = {
    "hidden": (
        rb"\xe2\x80[\x8b-\x8f\xaa-\xae]|\xe2\x81[\xa0-\xaf]|.\xef\xbb\xbf|\xe1\xa0\x8e|\xf3\xa0[\x80\x81]",
        True,
    ),
    "escape": (rb"\\[A-Za-z0-7\r\n]", True),
    "curled": (rb"\xe2\x80[\x9c\x9d]|\xa1[\xb0\xb1]|\xc2\xa1", True),
    "called element": (rb"\]" + _S + rb"*(?:\(|/\*|//)", True),
    "server script": (
        rb"<script\b[^>]*(?:\brunat|<)|<script\b[^>\"']*(?:\"[^\">]*\"[^>\"']*|'[^'>]*'[^>\"']*)*[\"'][^>\"']*>",
        False,
    ),
    "other language": (_DIRECTIVE + rb"\blanguage" + _S + rb"*=[\"']?" + _S + rb"*(?:j|ecma|live|vbs|php)", False),
    "vbscript": (rb"\bvbs(?:cript)?\b", False),
    "source file": (_AT + _S + rb"*(?:webhandler|webservice|servicehost|class)\b", False),
    "converts": (rb"\bchrw?\s*\(|\bxor\b|fromcharcode|frombase64string|base64_decode|str_rot13|gzinflate|strreverse|\^", False),
}
# Marks that mean something together with others.
_PARTS: dict[str, tuple[bytes, bool]] = {
    "typed": (rb"\bfunction\b|[\"']unsafe|\bvar" + _S + rb"+[\w\x80-\xff]+" + _S + rb"*:", False),
    "jscript only": (_FUNCTION_CLASS + rb"|\[" + _S + rb"*(?:[^\]\s0-9]|[0-9]+\s*[^\]\s0-9])", True),
    "a delegate": (rb"\baction(?:\s*[<?)[]|\s*\(\s*of\b|" + _S + rb"+[\w\x80-\xff@])|\b(?:as|new)\s[\w.\s]*\baction\b", False),
    "a named type": (rb"\bgettype" + _S + rb"*(?:\(" + _S + rb"*[^\s)]|[^\s(\x80-\xff])", False),
    "classic": (rb"createobject|\bexecute(?:global)?\b|\bwscript\b", False),
    "block": (rb"<%|<\?", True),
    "runat": (rb"\brunat\b", False),
    "style script": (rb":script\b", False),
}
_SAID = re.compile(
    rb"(?:\xef\xbb\xbf)?\s{0,40}<%@\s{0,8}\w{1,20}(?:\s{1,8}[\w:]{1,40}=\"[^\"%]{0,300}\"){0,20}"
    rb"\s{1,8}language=\"(?:c#|cs|csharp|vb)\"",
    re.IGNORECASE,
)
_TAGS = re.compile(r"<(?:[\w-]{1,40}:)?(\w{1,60})")
_DELEGATE = re.compile(
    r"\baction\s*(?:<|\?|\(\s*of\b|\[\])|\(\s*[\w.]{0,80}\baction\s*\)\s*[\w(@\"]|\b(?:as|new|is)\s+[\w.]{0,80}\baction\b"
    r"|=\s*[\w.]{0,80}\baction\s*;|\baction\s+(?!(?:in|is|as|and|or|not|where|select|equals|into|join|orderby|from|let|group|by|on)\b)[A-Za-z_@]",
    re.IGNORECASE,
)
_BLOCKS = re.compile(rb"<%|%>")
_LONG = re.compile(r"[^\s\"'<>]{400}")
_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_ALWAYS_NAMES, _DOUBT_NAMES = frozenset(_ALWAYS), frozenset(_DOUBTS)
# In code: the text of a page, or a call by a name in brackets.
_NEVER_IN_CODE = _ALWAYS_NAMES | {"block", "runat", "style script", "called element"}
# Razor has no directives and no server scripts, and is C# or VB, where no element of an object is a method by its name.
_NEVER_IN_RAZOR = _NEVER_IN_CODE - {"called element"}
_RAZOR_DOUBTS = _DOUBT_NAMES - {"called element", "server script", "other language", "vbscript", "source file"}


@cache
def _words(table: str) -> frozenset[str]:
    return frozenset(load_data("quick")[table])


@cache
def _search() -> WordSearch:
    extra = _words("runs_text") | _words("reads_text") | _words("jscript")
    marks = {**_ALWAYS, **_DOUBTS, **_PARTS}
    words = (needs("dotnet").words | needs("classic").words | extra) - marks.keys()
    return WordSearch(sorted(words), marks)


def is_silent(extension: str, data: bytes) -> bool:
    """Whether a page cannot be a finding of the analysis. `extension`: as of `page.extension_of`; `data`: its bytes.
    False: it has to be read."""
    if extension in PHP or extension in JSP or len(data) > MAX_BYTES or data.startswith(_MARKS):
        return False
    held = _search().found(data)
    if not _ALWAYS_NAMES.isdisjoint(held) or head_of(data):
        return False
    if extension in ASPNET and not _doubtful(extension, data, held):
        return True
    classic = extension not in ASPNET or ("classic" in held and extension not in RAZOR)
    text = plain_text(data)
    return not ("curled" in held and CURLED.search(text)) and _code_is_silent(extension, text, classic)


def _doubtful(extension: str, data: bytes, held: frozenset[str]) -> bool:
    """Whether the bytes as a whole leave open that there is a sink in the code among them."""
    if not (_RAZOR_DOUBTS if extension in RAZOR else _DOUBT_NAMES).isdisjoint(held) or needs("dotnet").met(held):
        return True
    if not (_words("runs_text").isdisjoint(held) or _words("reads_text").isdisjoint(held)):
        return True  # damaged code is searched as text
    if extension in RAZOR:
        return "block" in held or "runat" in held
    if "typed" in held and not (_words("jscript") | {"jscript only"}).isdisjoint(held) and not _SAID.match(data):
        return True  # code of no said language that may be JScript
    return extension in SOURCE_FILES or "classic" in held or _blocks_in_blocks(data)


def _blocks_in_blocks(data: bytes) -> bool:
    """Whether code may hold the text of a page: a block begins inside a block."""
    inside = False
    for mark in _BLOCKS.findall(data):
        if mark == b"<%" and inside:
            return True
        inside = mark == b"<%"
    return False


def _taken_apart(extension: str, text: str) -> Page:
    if extension in RAZOR:
        return lex_razor_vb(text) if extension == ".vbhtml" else lex_razor(text)
    page = lex(text, controls=False)
    if whole_unit(page) or (extension in SOURCE_FILES and not page.segments):
        add_whole(page)
    return page


def _code_is_silent(extension: str, text: str, classic: bool) -> bool:
    """The same of the code alone. `classic`: it may be read as classic ASP, too."""
    page = _taken_apart(extension, text)
    code = "\n".join(segment.text for segment in page.segments)
    if page.truncated or len(code) > MAX_CODE:
        return False
    if not code:
        return True
    spelled = "\n".join((code, unescape(code), unescape(code, 4))) if "\\" in code else code
    said = ["namespace " + value for one in page.directives for value in one.values.values()]
    tags = set(_TAGS.findall(text)) if extension not in RAZOR else ()  # an object's type may be its tag's name
    whole = "\n".join((spelled, *said, *tags, "classid" * ("object" in map(str.lower, tags))))
    held = _search().found(whole.encode("utf-8", "replace"))
    if "a delegate" in held and not _DELEGATE.search(code):
        held -= {"a delegate"}
    if not (_NEVER_IN_RAZOR if extension in RAZOR else _NEVER_IN_CODE).isdisjoint(held):
        return False
    if needs("dotnet").met(held, whole) or (classic and needs("classic").met(held)):
        return False
    if "converts" in held and _LONG.search(code):
        return False  # what statistics may take for packed code
    if ("hidden" in held or "\\" in code) and plain_names(code)[1]:
        return False
    if not _languages_are_plain(page, extension, classic, "typed" in held):
        return False
    return _words("runs_text").isdisjoint(held) or _words("reads_text").isdisjoint(held) or not any(textual_events(code))


def _languages_are_plain(page: Page, extension: str, classic: bool, typed: bool) -> bool:
    """Whether all code is C#, VB.NET or VBScript, whose calls by name have words of their own."""
    if extension in RAZOR:
        return True
    aspnet = extension in ASPNET
    named = {language_of(segment.language) for segment in page.segments}
    said = next((language_of(one.values["language"]) for one in page.directives if "language" in one.values), "")
    if not named | {said} <= {"csharp", "vb", "vbscript", ""} or (aspnet and "vbscript" in named | {said}):
        return False
    body = "\n".join(one.text for one in page.segments if not one.language)[:400_000]
    if classic and guess(body, True) != "vbscript":
        return False
    return not typed or (aspnet and bool(said)) or guess(body) != "jscript"
