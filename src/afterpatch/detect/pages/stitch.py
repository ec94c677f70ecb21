"""A page's code put together for the parsers, one text a language, each line where it stands in the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from afterpatch.detect.pages.lexer import Page, Segment

# Blanks end with their line: looked for across lines, many blank lines would be looked at from each of them.
_VB = re.compile(
    r"^[^\S\n]*(?:dim|sub|end\s+(?:if|sub|function|class)|public\s+sub|private\s+sub|protected\s+sub|imports|elseif|wend|next|on\s+error|set)\b|\bthen\b[^\S\n]*$|\bas\s+(?:new\s+)?string\b|&[^\S\n]*_[^\S\n]*$",
    re.IGNORECASE | re.MULTILINE,
)
_CSHARP = re.compile(
    r";[^\S\n]*$|^[^\S\n]*(?:"
    r"using\s+[\w.]+;|void\s+\w|string\s+\w|public\s+\w+\s+\w+\s*\(|protected\s+void|foreach\s*\()", re.MULTILINE
)
_JSCRIPT = re.compile(r"\bfunction\s*\w*\s*\(|^\s*var\s+\w+\s*(?::\s*\w+)?\s*=|\beval\s*\(|\bimport\s+System", re.MULTILINE)
_TYPED_VAR = re.compile(r"\bvar\s+\w+\s*:\s*\w+|\"unsafe\"|\bfunction\b[^{]{0,80}\{", re.IGNORECASE)
NAMES = {
    "c#": "csharp",
    "cs": "csharp",
    "csharp": "csharp",
    "c": "csharp",
    "vb": "vb",
    "visualbasic": "vb",
    "vbnet": "vb",
    "vb.net": "vb",
    "visual basic": "vb",
    "jscript": "jscript",
    "javascript": "jscript",
    "js": "jscript",
    "jscript.net": "jscript",
    "jscript.encode": "jscript",
    "vbscript": "vbscript",
    "vbscript.encode": "vbscript",
    "vbs": "vbscript",
    "java": "java",
    "php": "php",
    "jspx": "java",
    "ecmascript": "jscript",
    "livescript": "jscript",
}
UNIT_DIRECTIVES = frozenset(("webhandler", "webservice", "servicehost", "class"))


@dataclass(slots=True)
class Unit:
    """One text of one language. `members` True: it stands inside the page's class."""

    language: str
    code: str
    members: bool
    _line: int = field(default=1)

    @classmethod
    def of(cls, language: str, members: bool, page: Page, segments: Sequence[Segment]) -> Unit:
        """Segments put together, line ends added so that every line keeps its number."""
        pieces: list[str] = []
        line = 1
        for segment in segments:
            start = page.line_of(segment.offset)
            if start > line:
                pieces.append("\n" * (start - line))
                line = start
            text = _without_last_comment(_spelled(segment, language), language)
            pieces.append(text)
            line += text.count("\n")
        return cls(language, "".join(pieces), members)


_LAST_COMMENT = {
    "vb": re.compile(r"^((?:[^\"'\n]|\"[^\"\n]*\")*)'[^\n]*$"),
    "c": re.compile(r"^((?:[^\"'/\n]|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|/(?!/))*)//[^\n]*$"),
}


def _without_last_comment(text: str, language: str) -> str:
    """A block whose last line ends in a comment: the comment ends with the block, not with the line of the page."""
    family = "vb" if language in ("vb", "vbscript") else "c" if language in ("csharp", "jscript", "java") else ""
    mark = "'" if family == "vb" else "//"
    start = text.rstrip(" \t:").rfind("\n") + 1
    last = text[start:]
    if not family or mark not in last or len(last) > 4000 or text.endswith("\n"):
        return text
    match = _LAST_COMMENT[family].match(last)
    return text[:start] + match.group(1) + " : " * (family == "vb") if match else text


def _spelled(segment: Segment, language: str) -> str:
    """The segment as statements of its language."""
    if segment.language == "jspx":
        plain = _entities(segment.text)
        segment = Segment(segment.kind, plain, segment.offset)
    if segment.kind in ("expression", "binding"):
        inner = segment.text.strip().rstrip(";")
        if language == "php":
            return f" echo {inner};"
        if language in ("vb", "vbscript"):
            return f" __write({inner}) : "
        return f" __write({inner}); "
    if segment.kind == "render" and language == "php":
        return segment.text + ";"
    if segment.kind == "render":
        return segment.text + (" " if language not in ("vb", "vbscript") else "\n" if segment.text.count("\n") else " : ")
    return segment.text + "\n"


def _entities(text: str) -> str:
    """XML text as code: CDATA marks and entities undone."""
    text = text.replace("<![CDATA[", "").replace("]]>", "")
    numbered = re.sub(r"&#(x[0-9A-Fa-f]{1,6}|\d{1,7});", _numbered, text)
    return numbered.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&apos;", "'").replace("&amp;", "&")


def _numbered(match: re.Match[str]) -> str:
    digits = match.group(1)
    number = int(digits[1:], 16) if digits[0] in "xX" else int(digits)
    return chr(number) if 0 < number < 0x110000 else ""


def guess(code: str, asp: bool = False) -> str:
    """The language of code that does not say it."""
    vb = len(_VB.findall(code[:200_000]))
    csharp = len(_CSHARP.findall(code[:200_000]))
    if asp:
        return "vbscript" if vb * 3 >= csharp or csharp < 2 else "jscript"
    if _TYPED_VAR.search(code) and not _CSHARP.search(code):
        return "jscript"
    return "vb" if vb > csharp else "csharp"


def speaks_vb(page: Page) -> bool:
    """Whether the code reads like VBScript, whatever the page's name says."""
    body = "\n".join(one.text for one in page.segments)[:200_000]
    return (found := len(_VB.findall(body))) >= 3 and found > len(_CSHARP.findall(body))


def language_of(name: str) -> str:
    """Our name of a language, "" where unknown."""
    return NAMES.get(name.strip().lower(), "")


def units(page: Page, asp: bool, default: str = "") -> list[Unit]:
    """The page's code by language. `asp`: classic ASP, where VBScript is the default."""
    said = next((language_of(one.values["language"]) for one in page.directives if "language" in one.values), "")
    if asp and said in ("csharp", "vb", "java"):
        said = {"vb": "vbscript"}.get(said, "")
    body = "\n".join(one.text for one in page.segments if not one.language)[:400_000]
    spoken = next((language_of(one.language) for one in page.segments if language_of(one.language)), "")
    main = said or default or ("" if asp else spoken) or guess(body, asp)
    groups: dict[tuple[str, bool], list[Segment]] = {}
    for segment in page.segments:
        language = language_of(segment.language) or main
        if asp and language == "vb":
            language = "vbscript"
        groups.setdefault((language, segment.kind in ("declaration", "unit")), []).append(segment)
    return [Unit.of(language, members, page, segments) for (language, members), segments in groups.items()]


def whole_unit(page: Page) -> bool:
    """Whether the text outside the directive is a source file (`.ashx`, `.asmx`, `.svc`)."""
    return any(one.name in UNIT_DIRECTIVES for one in page.directives)


def add_whole(page: Page) -> None:
    """Take the text outside the directives as one source file."""
    blanked = re.sub(r"<%@.*?%>", lambda match: re.sub(r"[^\n]", " ", match.group(0)), page.text, flags=re.DOTALL)
    page.segments = [one for one in page.segments if one.kind == "declaration"]
    page.add(Segment("unit", blanked, 0))
