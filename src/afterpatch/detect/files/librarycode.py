"""Libraries by what their code does: .NET by its IL, native ones by exports and imports, and whose they can be proved to be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from afterpatch.detect.files.binary.clr import Assembly, NotReadable, short_name
from afterpatch.detect.files.binary.flows import CodeVerdict, judge_code
from afterpatch.detect.files.binary.program import Program
from afterpatch.detect.files.binary.strongname import StrongName, check_strong_name
from afterpatch.detect.files.compiled import Trace, page_door, traces_of_library
from afterpatch.detect.files.item import FileContext, FileFinding, FileItem
from afterpatch.detect.files.metadata import excerpt, fire, load_data
from afterpatch.detect.files.paths import Place, file_name
from afterpatch.detect.files.wholefile import MAX_WHOLE, whole_content
from afterpatch.detect.pages.verdict import Flow, at_least
from afterpatch.knowledge import iis_baseline

MAX_FLOWS = 5
_PASSWORDS = re.compile(rb"p\0a\0s\0s\0w\0(?:o\0r\0)?d\0|p\0w\0d\0", re.IGNORECASE)
_WRITES = frozenset(("file-write", "file-open", "network"))
# what a library does to files by a client's word is an application's business far more often than a page's
_APPLICATION_SINKS = frozenset(
    ("file-write", "file-open", "file-read", "file-list", "file-delete", "sql", "network", "page-compile", "reflection",
     "timestomp", "xslt-script", "environment", "registry", "secrets", "listen", "written-page")
)  # fmt: skip
# readers that are given the type to build by the program, in every service framework
_TYPED_READERS = ("xmlserializer", "datacontract", "javascriptserializer", "jsonconvert", "jsonserializer")
# what ASP.NET names the libraries that it compiles of pages and of an application's own source; shadow copies of other
# libraries lie beside them
_COMPILED = ("app_web_", "app_code", "app_global.asax", "app_subcode_")


@cache
def _known(name: str) -> frozenset[str]:
    return frozenset(str(one).lower() for one in load_data("library")[name])


@dataclass(frozen=True, slots=True)
class Library:
    """A program under judgement."""

    item: FileItem
    context: FileContext
    program: Program
    place: Place
    server: str  # of `server_place`

    @property
    def name(self) -> str:
        return file_name(self.item.path).lower()

    @property
    def loaded(self) -> bool:
        """Whether the folder is one whose libraries the web server or the transport service loads."""
        return bool(self.server) or self.place.bin or self.place.id == "temp-aspnet" or self.place.front or self.place.backend


def judge_library(item: FileItem, context: FileContext, place: Place, server: str) -> Iterator[FileFinding]:
    """Findings of a program; nothing for what Microsoft's key proves. `server`: as of `library.server_place`."""
    data = whole_content(item)
    whole = data is not None
    try:
        program = Program(data if data is not None else item.content, whole=whole)
        library = Library(item, context, program, place, server)
        yield from _managed(library, data) if program.managed else _native(library)
    except NotReadable as error:
        context.notice(item, "", f"notice.program-unreadable: {error}")
        if library_folder(place, server):
            yield fire("library-not-read", item.path, facts=(("what", str(error)),))


def _managed(library: Library, data: bytes | None) -> Iterator[FileFinding]:
    """What the code of a .NET library says."""
    if data is None:
        if library.loaded:
            yield fire("library-not-read", library.item.path, facts=(("what", f"larger than {MAX_WHOLE >> 20} MiB"),))
        return
    assembly = Assembly(data)
    layout = library.program.layout()
    strong = check_strong_name(data, assembly.public_key, layout) if layout else StrongName("none", "")
    if strong.state == "valid" and strong.token in _known("microsoft_tokens"):
        return
    facts = _identity(library, assembly, strong)
    yield from _claims(library, assembly, strong, facts)
    compiled = library.name.startswith(_COMPILED)
    pages = traces_of_library(assembly, library.item, library.context) if compiled else {}
    yield from (_page(library, trace, facts) for trace in pages.values())
    verdict = judge_code(assembly, everything=compiled)
    yield from _code(library, assembly, verdict, facts, pages if compiled else None)
    if not verdict.complete:
        library.context.notice(library.item, "", "notice.program-read-in-part")


def _native(library: Library) -> Iterator[FileFinding]:
    yield from _changed(library)
    exports = set(library.program.exports)
    roles = [role for role, names in load_data("library")["native_roles"].items() if exports & set(names)]
    if not roles or library.name in _stock_images():
        return
    signature = library.program.signature
    used = sorted({function for _dll, function in library.program.imports if function.lower() in _known("telling_imports")})
    facts = [("what", ", ".join(roles)), ("place", library.server or library.place.id), ("uses", ", ".join(used)[:300])]
    facts += _signers(library)
    signed = signature is not None and signature.state == "matches"
    outside = library.place.web or bool(library.place.staging)
    severity = "high" if outside and not signed else "low" if signed or not (outside or library.loaded) else "medium"
    yield fire("native-iis-module", library.item.path, severity=severity, facts=_given(facts))


def library_folder(place: Place, server: str) -> bool:
    """Whether a damaged library in the folder is worth a word."""
    return bool(server) or place.bin or place.id == "temp-aspnet"


def _given(facts: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, excerpt(value)) for name, value in facts if value.strip())


@cache
def _stock_images() -> frozenset[str]:
    return iis_baseline.stock_images()


def _signers(library: Library) -> list[tuple[str, str]]:
    signature = library.program.signature
    if signature is None or signature.state == "none":
        return [("signature", "none in the file" if signature is not None else "")]
    names = ", ".join(signature.names[:4])
    return [
        (
            "signature",
            f"{signature.state}: {names} (names are claims: certificates are not checked)" if names else signature.state,
        )
    ]


def _identity(library: Library, assembly: Assembly, strong: StrongName) -> list[tuple[str, str]]:
    version = library.program.version
    return [
        ("assembly", assembly.name),
        ("strong name", f"{strong.state} {strong.token}".strip()),
        *_signers(library),
        ("company", version.get("CompanyName", "")),
        ("original name", version.get("OriginalFilename", "")),
        ("module id", assembly.module_id),
    ]


def _changed(library: Library) -> Iterator[FileFinding]:
    signature = library.program.signature
    if signature is not None and signature.state == "changed":
        severity = "high" if library.loaded or library.place.web else "medium"
        yield fire("library-signature-broken", library.item.path, severity=severity, facts=_given(_signers(library)))


def _claims(library: Library, assembly: Assembly, strong: StrongName, facts: list[tuple[str, str]]) -> Iterator[FileFinding]:
    yield from _changed(library)
    claims = assembly.name.lower().startswith(tuple(_known("microsoft_names")))
    signature = library.program.signature
    vouched = signature is not None and signature.state == "matches" and "Microsoft Corporation" in signature.names
    if claims and not vouched and strong.state != "unreadable":
        severity = "high" if library.loaded else "medium"
        yield fire("library-imitates-exchange", library.item.path, severity=severity, facts=_given(facts))


def roles_of(assembly: Assembly) -> dict[str, str]:
    """What the library is to the web server or the transport service: role -> the type that is it."""
    table = load_data("library")["roles"]
    found: dict[str, str] = {}
    for kind in assembly.types:
        above = {short_name(kind.base), *(short_name(one) for one in kind.interfaces)}
        for role, names in table.items():
            if above & set(names):
                found.setdefault(role, kind.name)
    return found


def _may_hook(data: bytes) -> bool:
    """Whether a name of a type that hooks stands in the file at all: most libraries need no look at their types."""
    table = load_data("library")["roles"]
    low = data.lower()
    return any(name.encode() in low for role in _known("hooking") for name in table[role])


def hooks_of(assembly: Assembly) -> tuple[str, ...]:
    """Events of the application that it hangs itself into."""
    wanted = ("httpapplication", "smtpreceiveagent", "routingagent", "deliveryagent")
    names = {m.name[4:] for _t, m in assembly.member_references() if m.name.startswith("add_") and m.short_owner in wanted}
    return tuple(sorted(names))


def _page(library: Library, trace: Trace, facts: list[tuple[str, str]]) -> FileFinding:
    door, state, common = page_door(trace, library.item, library.context)
    severity = common.pop("severity")
    more = _given([*common.pop("facts"), *facts])
    return fire("compiled-page-in-library", door, severity=severity, state=state, facts=more, **common)


def _fact_of(flow: Flow, verdict: CodeVerdict) -> tuple[str, str]:
    way = " -> ".join(dict.fromkeys(f"{what.what} in {verdict.place(what.line)}" for what in flow.path[-4:]))
    source = f"{flow.source} in {verdict.place(flow.source_line)}" if flow.source else "constants"
    steps = f"{source} -> {way + ' -> ' if way else ''}{flow.call} in {verdict.place(flow.sink_line)}"
    return f"{flow.sink} {flow.severity}", excerpt(steps)


def weight(flow: Flow, *, page: bool) -> str:
    """What a flow is worth in a library. A page is judged as its source would be; in any other library what has no
    source, and what applications do with files, weighs less."""
    if page:
        return flow.severity
    if not flow.source:
        return "low" if flow.sink != "memory" else flow.severity
    if flow.sink == "deserialisation" and any(name in flow.call.lower() for name in _TYPED_READERS):
        return "medium" if at_least(flow.severity, "medium") else flow.severity
    if flow.sink in _APPLICATION_SINKS and at_least(flow.severity, "medium"):
        return "high" if flow.severity == "critical" else "medium"
    return flow.severity


def _page_of(verdict: CodeVerdict, pages: Mapping[str, Trace]) -> Trace | None:
    """The page that the worst flow stands in; the only one where code of no page is meant."""
    for flow in verdict.flows[:MAX_FLOWS]:
        for row in (flow.sink_line, flow.source_line):
            owner = verdict.place(row).partition("::")[0]
            if owner in pages:
                return pages[owner]
    return next(iter(pages.values())) if len(pages) == 1 else None


def _code(
    library: Library,
    assembly: Assembly,
    verdict: CodeVerdict,
    facts: list[tuple[str, str]],
    pages: Mapping[str, Trace] | None,
) -> Iterator[FileFinding]:
    """Findings about the code. `pages`: those of a compiled library, None for any other."""
    if pages is None and not verdict.flows and not _may_hook(assembly.data):
        return
    roles = roles_of(assembly)
    hooks = hooks_of(assembly)
    compiled = pages is not None
    graded = sorted(((weight(flow, page=compiled), flow) for flow in verdict.flows), key=lambda pair: -_rank(pair[0]))
    worst = graded[0][0] if graded else "info"
    if verdict.reasons and not at_least(worst, "high"):
        # together flows can mean more: in a page as graded, in a library only what is graded worst, a tunnel
        worst = verdict.severity if compiled else "high" if verdict.severity == "critical" else worst
    told = [_fact_of(flow, verdict) for severity, flow in graded[:MAX_FLOWS] if severity != "info"]
    told += [("reason", reason) for reason in verdict.reasons] if compiled or at_least(worst, "high") else []
    role = [("is", ", ".join(f"{name} ({kind})" for name, kind in roles.items())), ("hooks", ", ".join(hooks))]
    pairs = _given([*told, *role, *facts])
    path, kind = _whose(library, roles, _page_of(verdict, pages) if pages else None, compiled)
    collects = bool(roles.keys() & _known("hooking")) and any(f.source and f.sink in _WRITES for f in verdict.flows)
    if at_least(worst, "critical"):
        yield fire("library-runs-request", path, facts=pairs, **kind)
    elif at_least(worst, "high"):
        yield fire("library-back-door", path, facts=pairs, **kind)
    elif collects and _PASSWORDS.search(assembly.data):
        yield fire("library-collects-credentials", path, facts=pairs, **kind)
    elif at_least(worst, "medium"):
        severity = "medium" if compiled or library.loaded else "low"
        yield fire("library-suspicious", path, facts=pairs, severity=severity, **kind)
    elif roles.keys() & _known("hooking") and library.loaded and not compiled:
        yield fire("library-hooks-requests", path, facts=pairs, **kind)
    if compiled and any(name.lower() == "microsoft.jscript" for name in assembly.references):
        yield fire("library-jscript", path, facts=_given(facts))


def _whose(library: Library, roles: Mapping[str, str], page: Trace | None, compiled: bool) -> tuple[str, dict[str, Any]]:
    """(path, fields) of what the code belongs to: a compiled page's is the page, which may be gone."""
    if page is not None:
        door, state, fields = page_door(page, library.item, library.context)
        return door, {"kind": fields.get("kind", "compiled-page"), "state": state, "times": fields["times"]}
    if compiled:
        return library.item.path, {"kind": "compiled-page"}
    return library.item.path, {"kind": "transport-agent"} if "transport-agent" in roles else {}


def _rank(severity: str) -> int:
    return ("info", "low", "medium", "high", "critical").index(severity)
