"""Judging one page: its readings, their code, the flows in it, and the verdict. Pure: name and bytes in, verdict out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.budget import MAX_CODE, MAX_PHP, Budget
from afterpatch.detect.pages.calls import CallMachine
from afterpatch.detect.pages.catalogue import catalogue
from afterpatch.detect.pages.control import PageFacts
from afterpatch.detect.pages.csharp import read_csharp
from afterpatch.detect.pages.decode import MAX_BYTES, Reading, readings
from afterpatch.detect.pages.dotnet import DotNetMachine
from afterpatch.detect.pages.embedded import embedded_events
from afterpatch.detect.pages.families import family_of
from afterpatch.detect.pages.filekinds import ASPNET, CLASSIC, CURLED, JSP, PHP, RAZOR, SOURCE_FILES, extension_of
from afterpatch.detect.pages.grade import grade
from afterpatch.detect.pages.java import plain_java, read_java
from afterpatch.detect.pages.javamachine import JavaMachine
from afterpatch.detect.pages.jscript import read_jscript
from afterpatch.detect.pages.lexer import Page, lex
from afterpatch.detect.pages.php import read_php
from afterpatch.detect.pages.phplex import lex_php
from afterpatch.detect.pages.phpmachine import PhpMachine
from afterpatch.detect.pages.prefilter import may_reach_sink
from afterpatch.detect.pages.razor import lex_razor, lex_razor_vb
from afterpatch.detect.pages.scope import Event
from afterpatch.detect.pages.scriptenc import decode_script
from afterpatch.detect.pages.statistics import opinion, raises
from afterpatch.detect.pages.stitch import Unit, add_whole, language_of, speaks_vb, units, whole_unit
from afterpatch.detect.pages.textual import straight_quotes, textual_events
from afterpatch.detect.pages.treebase import plain_names
from afterpatch.detect.pages.value import Value
from afterpatch.detect.pages.vb import read_vb
from afterpatch.detect.pages.verdict import PageVerdict, at_least, worst
from afterpatch.model import message

_TELLING = re.compile(  # of lower case
    r"\b(?:eval|execute|assert|system|exec|shell_exec|passthru|process|assembly|createobject|defineclass|invoke|saveas|request|frombase64string|base64_decode)\b",
)
_SIGNED_IN = re.compile(r"\bIsAuthenticated\b|\bIsInRole\s*\(|\[\s*Authorize\b|PrincipalPermission|\bDemand\s*\(", re.IGNORECASE)
_READS = re.compile(
    r"\brequest\b|inputstream|querystring|\bwebmethod|operationcontract|\bcookies\b|httpcontext|\.text\b|\$_(?:get|post|request|cookie|files)\b|websocket",
    re.IGNORECASE,
)
# What the two above and the next one need: plain words are found many times faster than choices among them.
_SIGNED_WORDS = ("isauthenticated", "isinrole", "authorize", "principalpermission", "demand")
_READ_WORDS = (
    "request", "inputstream", "querystring", "webmethod", "operationcontract", "cookies", "httpcontext", ".text", "$_",
    "websocket",
)  # fmt: skip
_LOADER_WORDS = ("amsi", "etweventwrite", "nttraceevent")
_LOADER = re.compile(r"\b(?:Amsi(?:ScanBuffer|Initialize|OpenSession|ScanString)|EtwEventWrite(?:Full)?|NtTraceEvent)\b")
_ASP_TAGS = re.compile(r"<%(?!@).{0,4000}?\$_(?:get|post|request|cookie|server)\b", re.IGNORECASE | re.DOTALL)
_EXPRESSION = re.compile(r"[$#]\{([^{}\r\n]{1,4000})\}")
_EXPRESSION_RUNS = re.compile(
    r"(?i)getclass|forname|runtime|processbuilder|scriptengine|\.invoke\b|classloader|\.exec\b|\.eval\b"
)
_CLASSIC = re.compile(
    r"server\s{0,4}\.\s{0,4}createobject|\bcreateobject\s{0,4}\(|\bexecute(?:global)?\b|\bwscript\b", re.IGNORECASE
)
_BEAN = re.compile(r"<jsp:useBean\b[^>]{1,600}>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"\b(id|class|type)\s{0,4}=\s{0,4}[\"']([\w.$]{1,200})[\"']")
_CLASS = re.compile(r"^[^\S\n]*(?:namespace|public\s+class|class)\b", re.MULTILINE)
_UNREAD = tuple(message(f"page.problem.{name}") for name in ("deep", "gave-up", "much"))  # code was left out
_PHP_OPEN = re.compile(r"<\?(?:php\b|=)", re.IGNORECASE)


def read_code(code: str, language: str) -> ir.Program:
    """Code of a language as a program; an empty one where it nests deeper than any reader's bound."""
    try:
        return _read(code, language)
    except RecursionError:
        return ir.Program(problems=[message("page.problem.gave-up")])


def _read(code: str, language: str) -> ir.Program:
    if language == "csharp":
        return read_csharp(code)
    if language == "jscript":
        return read_jscript(code)
    if language == "php":
        return read_php(code)
    if language == "java":
        return read_java(code)
    if language in ("vb", "vbscript"):
        return read_vb(code)
    return ir.Program()


@dataclass(slots=True)
class Findings:
    """What was gathered over all readings of one page."""

    budget: Budget = field(default_factory=Budget)
    events: list[Event] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    server_code: bool = False
    authenticated: bool = False
    script_platform: bool = False
    code: str = ""
    loader_names: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    carried: list[str] = field(default_factory=list)
    reads_client: bool = False

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def problem(self, text: str) -> None:
        if text not in self.problems:
            self.problems.append(text)

    def look(self, code: str) -> None:
        """Keep some code for the statistics, and the names in it that tell something by themselves."""
        self.code = (self.code + code)[:MAX_CODE]
        low = code.lower()
        self.reads_client = self.reads_client or (_any(_READ_WORDS, low) and _READS.search(code) is not None)
        self.authenticated = self.authenticated or (_any(_SIGNED_WORDS, low) and _SIGNED_IN.search(code) is not None)
        for match in _LOADER.finditer(code) if _any(_LOADER_WORDS, low) else ():
            if match.group(0) not in self.loader_names and len(self.loader_names) < 5:
                self.loader_names.append(match.group(0))


def _any(words: Sequence[str], text: str) -> bool:
    return any(word in text for word in words)


def _programs(found: Findings, parts: list[Unit], named: str = "") -> list[ir.Program]:
    programs: list[ir.Program] = []
    reaches = any(may_reach_sink(named + plain_names(unit.code)[0]) for unit in parts if unit.language == "csharp")
    for unit in parts:
        code, undone = plain_names(unit.code)
        found.look(code)
        if undone:
            found.note(message("page.note.escaped-names", count=undone))
        if unit.language not in found.languages:
            found.languages.append(unit.language)
        if unit.language == "csharp" and not reaches:
            continue
        code = _bounded(found, code, MAX_CODE if unit.language != "php" else MAX_PHP)
        if unit.members and unit.language == "csharp" and not _CLASS.search(code):
            code = "class __page {" + code + "\n}"
        program = read_code(code, unit.language)
        if program.problems and straight_quotes(code) != code:
            program = read_code(straight_quotes(code), unit.language)
        for problem in program.problems:
            found.problem(problem)
            if problem.startswith(_UNREAD):
                found.budget.exhausted("depth")
        if program.problems:
            found.damaged.append(code)
        programs.append(program)
    return programs


def _bounded(found: Findings, code: str, limit: int) -> str:
    """Code of a size that can be parsed: of more, the start and what stands around telling words."""
    if len(code) <= limit:
        return code
    found.budget.exhausted("code")
    pieces = [code[: limit // 2]]
    last = limit // 2
    low = code.lower()
    for match in _TELLING.finditer(low if len(low) == len(code) else code, last):
        if match.start() < last:
            continue
        start = max(last, match.start() - 2000)
        last = match.end() + 6000
        pieces.append(code[start:last])
        if len(pieces) > limit // 16_000:
            break
    return "\n".join(pieces)


def _judge_dotnet(found: Findings, page: Page, asp: bool, default: str = "") -> None:
    said = language_of(page.directive("language"))
    asp = asp and said != "csharp"
    parts = units(page, asp, default)
    found.script_platform = found.script_platform or (asp and bool(parts))
    found.server_code = found.server_code or any(unit.code.strip() for unit in parts)
    imported = " ".join(one.values["namespace"] for one in page.directives if "=" in one.values.get("namespace", ""))
    programs = _programs(found, parts, imported)
    tables = catalogue("classic" if asp else "dotnet")
    machine = DotNetMachine(
        tables, found.budget, read_code, page.controls, page.objects, frozenset(unit.language for unit in parts)
    )
    for one in page.directives:
        alias, equals, full = one.values.get("namespace", "").partition("=")
        if equals and one.name == "import":
            machine.aliases[alias.strip().lower()] = full.strip().lower()
    _run(found, machine, programs)


def _with_asp_tags(text: str) -> str:
    """PHP between `<%` and `%>`, which old PHP runs where its settings allow it."""
    return text.replace("<%=", "<?=").replace("<%", "<?php ").replace("%>", "?>")


def _with_expressions(text: str) -> str:
    """JSP's expression language that reaches classes, as expressions of Java."""
    if "{" not in text or not _EXPRESSION_RUNS.search(text):
        return text

    def one(match: re.Match[str]) -> str:
        if not _EXPRESSION_RUNS.search(match.group(1)):
            return match.group(0)
        code = re.sub(r"'((?:[^'\\]|\\.)*)'", r'"\1"', match.group(1))
        code = re.sub(r"\b(param|paramValues|header|headerValues|cookie)\b\.?(\w*)", r"request.getParameter(\"\2\")", code)
        code = code.replace("pageContext.request.", "request.")
        return f"<%={code}%>"

    return _EXPRESSION.sub(one, text)


def _judge_php(found: Findings, page: Page) -> None:
    if page.truncated:
        found.budget.exhausted("segments")
    parts = [Unit.of("php", False, page, page.segments)]
    found.script_platform = found.script_platform or bool(page.segments)
    found.server_code = found.server_code or bool(parts[0].code.strip(" ;\n\r\t"))
    _run(found, PhpMachine(catalogue("php"), found.budget, read_code), _programs(found, parts))


def _judge_java(found: Findings, page: Page) -> None:
    if page.truncated:
        found.budget.exhausted("segments")
    parts = [
        Unit.of("java", members, page, [one for one in page.segments if (one.kind == "declaration") == members])
        for members in (True, False)
    ]
    found.server_code = found.server_code or any(unit.code.strip() for unit in parts)
    found.script_platform = True
    beans = {}
    for match in _BEAN.finditer(page.text):
        named = dict(_ATTRIBUTE.findall(match.group(0)))
        if "id" in named:
            beans[named["id"].lower()] = (named.get("class") or named.get("type") or "").lower()
    _run(found, JavaMachine(catalogue("java"), found.budget, read_code, beans), _programs(found, parts))


def _run(found: Findings, machine: CallMachine, programs: list[ir.Program]) -> None:
    try:
        machine.run(programs)
    except RecursionError:
        found.budget.exhausted("depth")
    found.events.extend(machine.events.values())
    found.events.extend(
        embedded_events(
            machine,
            lambda code, language: _script_events(found, code, language),
            lambda text: _inner_page(found, text),
        )
    )
    for note in sorted(machine.notes):
        found.note(note)
    found.carried += [one for one in machine.carried if one not in found.carried]
    reached = {event.kind for event in machine.events.values() if event.traces()}
    for code in found.damaged[:8]:
        found.events.extend(event for event in textual_events(code) if event.kind not in reached)
    found.damaged.clear()


def _script_events(found: Findings, code: str, language: str) -> list[Event]:
    """Events of script inside a style sheet."""
    name = language_of(language) or "jscript"
    if found.budget.layers <= 0:
        return []
    found.budget.layers -= 1
    code = code if name != "csharp" else "class __style {" + code + "\n}"
    machine = DotNetMachine(
        catalogue("classic" if name == "vbscript" else "dotnet"), found.budget, read_code, languages=frozenset((name,))
    )
    machine.run([read_code(code, name)])
    found.note(message("page.note.style-script"))
    for event in machine.events.values():
        event.roles["embedded"] = Value(const=True)
    return list(machine.events.values())


def _inner_page(found: Findings, text: str) -> tuple[str, int]:
    """Severity and line of a page inside a constant."""
    if found.budget.layers <= 1:
        found.budget.exhausted("layers")
        return "info", 1
    inner = Findings(budget=found.budget)
    inner.budget.layers -= 2
    _judge_reading(inner, Reading(text, "constant"), ".jsp" if found.languages == ["java"] else "")
    inner.budget.layers += 2
    severity, flows, _reasons = grade(inner.events, PageFacts())
    return severity, flows[0].sink_line if flows else 1


def _judge_reading(found: Findings, reading: Reading, extension: str) -> None:
    text, encoded = decode_script(reading.text)
    if not text.isascii() and CURLED.search(text):
        text = straight_quotes(text)
    if encoded:
        found.note(message("page.note.script-encoder"))
    if extension in PHP or (extension not in JSP and "<?" in text and _PHP_OPEN.search(text)):
        if extension in PHP and _ASP_TAGS.search(text):
            text = _with_asp_tags(text)
        _judge_php(found, lex_php(text))
        if extension in PHP:
            return
    if extension in JSP:
        _judge_java(found, lex(_with_expressions(plain_java(text)[0])))
        return
    if extension in RAZOR:
        page = lex_razor_vb(text) if extension == ".vbhtml" else lex_razor(text)
    else:
        page = lex(text)
        if whole_unit(page) or (extension in SOURCE_FILES and not page.segments):
            add_whole(page)
    if page.truncated:
        found.budget.exhausted("segments")
    if page.segments:
        default = {".vbhtml": "vb", ".cshtml": "csharp"}.get(extension, "")  # Razor knows no other
        if extension in ASPNET:
            _judge_dotnet(found, page, False, default)
            if extension not in RAZOR and not page.directive("language") and _CLASSIC.search(text) and speaks_vb(page):
                _judge_dotnet(found, page, True)
        else:  # of another name nobody knows which engine runs it: `.config` and pictures are mapped to either
            _judge_dotnet(found, page, True)
            if extension not in CLASSIC:
                _judge_dotnet(found, page, False)


def analyse_page(name: str, data: bytes) -> PageVerdict:
    """Judge a server page by what its code does. `name`: file name or path (the extension picks the language), `data`:
    its bytes (the first 4 MiB are read). Never raises; what could not be read is in the verdict."""
    found = Findings()
    texts, notes = readings(data)
    for note in notes:
        found.note(note)
    extension = extension_of(name)
    for reading in texts:
        _judge_reading(found, reading, extension)
    if len(data) > MAX_BYTES:
        found.budget.exhausted("bytes")
    severity, flows, reasons = grade(
        found.events,
        PageFacts(
            found.authenticated, found.script_platform, tuple(found.loader_names), found.reads_client, tuple(found.carried)
        ),
    )
    second = opinion(found.code) if found.server_code else ()
    if severity in ("info", "low") and raises(second, found.code):
        severity = "medium"
    if found.budget.spent and severity in ("info", "low") and found.server_code:
        severity = worst(severity, "low")
    for what in sorted(found.budget.spent):
        found.problem(message("page.problem.budget", budget=what))
    followed = bool(flows and flows[0].source)
    return PageVerdict(
        name=name,
        severity=severity,
        confidence="high" if followed or at_least(severity, "critical") else "moderate" if at_least(severity, "high") else "low",
        family=family_of(texts[0].text if texts else "", len(data), flows, reasons, found.languages),
        flows=flows,
        languages=tuple(found.languages),
        notes=tuple(found.notes),
        problems=tuple(found.problems),
        opinion=second,
        reasons=reasons,
        server_code=found.server_code,
        complete=not found.budget.spent,
    )
