"""From sinks that were reached to what they are worth, alone and together."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from afterpatch.detect.pages.scope import Event
from afterpatch.detect.pages.value import ANCHORED, BASENAME, BUILT, DECODED, FIXED_END, MAPPED, NUMBER, Trace, Value
from afterpatch.detect.pages.verdict import Flow, Step, at_least, worst
from afterpatch.model import message

SCRIPT_ENDS = (
    ".aspx", ".ashx", ".asmx", ".asax", ".ascx", ".asp", ".asa", ".cer", ".cdx", ".cshtml", ".vbhtml", ".svc", ".soap", ".master",
    ".php", ".php5", ".phtml", ".jsp", ".jspx", ".exe", ".dll", ".bat", ".cmd", ".ps1", ".vbs", ".hta", ".config", ".cfm",
)  # fmt: skip
PAGE_ENDS = tuple(one for one in SCRIPT_ENDS if one not in (".config", ".master", ".ascx", ".dll", ".bat", ".cmd", ".vbs"))
_OWN_FOLDER = frozenset(("", ".", "./", "/", "\\", "~", "~/", "~\\", "../", "..\\", "..", ".\\", "?"))
# A bare command shell, which then takes its orders from elsewhere, or a shell joined to a network connection.
_SHELL = re.compile(
    r"^\s*(?:\S{0,80}[\\/])?(?:cmd(?:\.exe)?|(?:ba|z|k|c)?sh|powershell(?:\.exe)?)(?:\s+-i|\s+-|\s*$)|/dev/tcp/|\bnc(?:\.exe|at)?\s.{0,60}-e\b",
    re.IGNORECASE,
)
_SQL_SHELL = re.compile(
    r"\b(?:xp_cmdshell|sp_oacreate|sp_oamethod|xp_regwrite|sys_exec|sys_eval|into\s+(?:dump|out)file|create\s+assembly|dbms_scheduler)\b",
    re.IGNORECASE,
)
_STREAMS = ("inputstream", "postedfile", "filecontent", "getbufferedinputstream", "getbufferlessinputstream", "getinputstream")
_AUTORUN = re.compile(r"currentversion\\+(?:run|policies|winlogon|image file)|\\services\\", re.IGNORECASE)
# Code in a constant, of a language that is not read here, which starts programs.
_RUNS_PROGRAM = re.compile(
    r"getRuntime\s{0,4}\(|ProcessBuilder|WScript\.Shell|Diagnostics\.Process|shell_exec|Runtime\.exec|child_process"
)
_REMOTE = ("php://input", "php://filter", "data:", "http://", "https://", "ftp://", "expect://", "\\\\", "phar://", "zip://")
_WRAPPERS = ("compress.zlib://", "compress.bzip2://", "file://", "php://filter", "glob://", "zip://", "data:", "\\\\?")
_NOT_CODE = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".ico", ".zip", ".rar", ".tmp", ".pdf", ".mp3")


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What else is known of the page: whether anybody is asked who he is, whether it is of a platform whose
    paths are not bounded by the site (PHP, classic ASP, JSP), and constants that name attack functions."""

    authenticated: bool = False
    script_platform: bool = False
    loader_names: tuple[str, ...] = ()
    reads_client: bool = False
    carried: tuple[str, ...] = ()


def _kinds(traces: Sequence[Trace]) -> set[str]:
    return {trace.kind for trace in traces}


def _role(event: Event, name: str) -> Value:
    return event.roles.get(name, Value())


def _controlled(value: Value) -> bool:
    return bool(_kinds(value.all_traces()) & {"client", "upload-name"})


def _code(event: Event) -> str:
    kinds = _kinds(event.traces())
    if "client" in kinds:
        return "critical"
    if kinds & {"download", "upload-name"}:
        return "high"
    code = _role(event, "code")
    if "unsafe" in event.roles and not code.known:
        return "high"  # no application asks for the full rights of eval
    if code.text is not None and _RUNS_PROGRAM.search(code.text):
        return "high"
    if {BUILT, DECODED} & code.marks or kinds & {"session", "undefined", "file"}:
        return "high"
    return "low" if code.known else "medium"


def _process(event: Event) -> str:
    kinds = _kinds(event.traces())
    if "client" in kinds:
        return "critical"
    if kinds & {"download", "upload-name", "undefined", "file", "session"} or "embedded" in event.roles:
        return "high"
    commands = " ".join(value.text or value.head for role, value in event.roles.items() if role == "command")
    return "high" if _SHELL.search(commands) else "medium"


def _load(event: Event) -> str:
    kinds = _kinds(event.traces())
    if "client" in kinds:
        return "critical"
    if kinds & {"download", "session"} or DECODED in _role(event, "assembly").marks:
        return "high"
    value = _role(event, "assembly")
    spelled = (value.text or value.head).lower()
    nested = [one.text or "" for one in (value.fields or {}).values()]
    if any(one.lower().startswith(_REMOTE) for one in (spelled, *nested)):
        return "high"  # a library from another machine
    if isinstance(value.const, bytes | bytearray) and len(value.const) > 256:
        return "high"
    return "low" if value.known else "medium"


def _reflection(event: Event) -> str:
    kinds = _kinds(event.traces("type", "object", "callable"))
    if "client" in kinds:
        return "high"
    return "high" if "download" in kinds else "low"


def _deserialise(event: Event) -> str:
    if event.call.lower().endswith(("deserializeobject", "populateobject")) and "settings" not in event.roles:
        return "info"  # without settings that let the text name its types it builds data only
    return "high" if "client" in _kinds(event.traces()) else "low"


def _xslt(event: Event) -> str:
    if "embedded" in event.roles:
        return "high"
    trusted = "trust" in event.roles and not event.roles["trust"].known
    if "client" in _kinds(event.traces("code", "object", "data")):
        return "critical" if trusted else "medium"
    return "medium" if trusted else "low"


def _names_page(text: str) -> bool:
    return text.lower().strip().endswith(PAGE_ENDS)


def _own_folder(value: Value) -> bool:
    return value.head.strip().lower() in _OWN_FOLDER


def path_control(value: Value) -> str:
    """How much of a path the client chooses: `whole`, `folder` (the name is fixed), `name` (in the page's own folder),
    `site` (below the web root), `part` (in a fixed folder), `none`."""
    if not _controlled(value) or NUMBER in value.marks:
        return "none"
    name_only = BASENAME in value.marks or _kinds(value.all_traces()) == {"upload-name"}
    fixed = ANCHORED in value.marks and not value.head.lower().startswith(_WRAPPERS)
    if MAPPED in value.marks and not fixed and not name_only:
        return "site"
    if FIXED_END in value.marks and value.tail and not value.tail.lower().endswith(SCRIPT_ENDS) and "." in value.tail:
        return "part" if fixed else "folder"
    if not fixed:
        return "name" if name_only else "whole"
    return "name" if _own_folder(value) and value.head != "?" else "part"


def _write(event: Event) -> str:
    path, content = _role(event, "path"), _role(event, "content")
    held = _role(event, "handle").fields or {}
    if "path" not in event.roles and "path" in held:
        path = held["path"]
    if "content" not in event.roles and _role(event, "object").type in ("adodb.stream", "memorystream"):
        content = _role(event, "object")
    control = path_control(path)
    if control == "whole":
        return "high"
    if _controlled(content) and content.head.lower().startswith(_WRAPPERS):
        return "high"  # a stream wrapper in front of the client's text: a way around restrictions
    text = path.text or path.tail
    if _controlled(content) and text.lower().rstrip().endswith(SCRIPT_ENDS):
        return "critical"
    if control == "name":
        loose = BASENAME not in path.marks or _controlled(content)
        return "high" if loose or "upload-name" in _kinds(path.all_traces()) else "medium"
    if control == "site":
        if event.call.lower().endswith("saveas") and "client" in _kinds(path.all_traces()):
            return "high"  # what was sent, wherever below the site the client says
        return "high" if _controlled(content) or "upload-name" in _kinds(path.all_traces()) else "medium"
    if control == "part" and FIXED_END not in path.marks and BASENAME not in path.marks and _controlled(content):
        return "high" if "client" in _kinds(path.all_traces()) else "medium"  # name, type and content are the client's
    if control in ("part", "folder"):
        return "medium"
    if _names_page(text) and ("content" in event.roles or "path" in event.roles):
        return "high"
    if "download" in _kinds(content.all_traces()) and text.lower().endswith(SCRIPT_ENDS):
        return "high"
    return "low"


def _open(event: Event) -> str:
    mode = _role(event, "mode")
    writes = (
        mode.path.rpartition(".")[2] in ("create", "createnew", "openorcreate", "append", "truncate", "output", "binary")
        or (mode.text or "").lower().rstrip("btsd+") in ("w", "a", "x", "c", "rw", "output", "append")
        or (mode.text or "").lower().startswith("rw")
        or mode.const in (2, 8)
    )
    return _write(event) if writes else _read(event)


def _folder(event: Event) -> str:
    return {"whole": "medium", "site": "low", "name": "low"}.get(path_control(_role(event, "path")), "info")


def _read(event: Event) -> str:
    if all(trace.source.lower().endswith(_STREAMS) for trace in _role(event, "path").all_traces()):
        return "info"  # not a file: what was sent
    control = path_control(_role(event, "path"))
    return {"whole": "medium", "site": "medium", "name": "medium", "part": "low"}.get(control, "info")


def _delete(event: Event) -> str:
    control = path_control(_role(event, "path"))
    return {"whole": "high", "site": "medium", "name": "medium", "part": "low"}.get(control, "info")


def _list(event: Event) -> str:
    if "drives" in event.roles or not event.roles:
        return "low"
    return {"whole": "high", "site": "medium", "name": "low", "part": "low"}.get(path_control(_role(event, "path")), "info")


def _network(event: Event) -> str:
    host = _role(event, "host")
    if _controlled(host) and ANCHORED not in host.marks:
        return "medium"
    return "low"


def _sql(event: Event) -> str:
    connection, statement = _role(event, "connection"), _role(event, "sql")
    spelled = f"{statement.text or ''} {statement.head} {statement.tail}"
    if _SQL_SHELL.search(spelled):
        return "critical" if _controlled(statement) or _controlled(connection) else "medium"
    if "session" in _kinds(connection.all_traces()):
        return "high"
    if _controlled(connection) and ANCHORED not in connection.marks:
        return "high"
    if _controlled(statement):
        return "low" if ANCHORED in statement.marks else "medium"
    return "info"


def _page_compile(event: Event) -> str:
    path = _role(event, "path")
    return {"whole": "medium", "name": "low", "part": "low"}.get(path_control(path), "info")


def _include(event: Event) -> str:
    path = _role(event, "path")
    text = (path.text or path.head).lower().strip()
    if text.startswith(_REMOTE) or text.endswith(_NOT_CODE):
        return "high"
    if "download" in _kinds(path.all_traces()):
        return "high"
    return {"whole": "high", "name": "medium", "part": "medium"}.get(path_control(path), "info")


def _memory(event: Event) -> str:
    return "high" if _kinds(event.traces()) & {"client", "download"} else "medium"


def _dynamic(event: Event) -> str:
    """A function by a name in a variable: whoever chooses the name chooses what runs."""
    name = _role(event, "callable")
    data = _role(event, "data")
    given = _kinds(data.all_traces()) & {"client", "download", "undefined", "session"}
    if "client" in _kinds(name.all_traces()):
        return "critical"
    if _kinds(name.all_traces()) & {"undefined", "session"} and given:
        return "high"
    if BUILT in name.marks and not name.known:
        return "high" if given or BUILT in data.marks else "medium"
    return "low"


def _registry(event: Event) -> str:
    key = _role(event, "key")
    given = "client" in _kinds(event.traces())
    if given and (_AUTORUN.search(key.text or key.head) or _controlled(key)):
        return "high"
    return "low"


def _account(event: Event) -> str:
    return "high" if "client" in _kinds(event.traces()) else "medium"


def _fixed(severity: str) -> Callable[[Event], str]:
    return lambda _event: severity


GRADES: dict[str, Callable[[Event], str]] = {
    "code-execution": _code,
    "process-start": _process,
    "dynamic-call": _dynamic,
    "hidden-call": _fixed("high"),
    "class-build": _fixed("high"),
    "folder-create": _folder,
    "assembly-load": _load,
    "reflection": _reflection,
    "deserialisation": _deserialise,
    "xslt-script": _xslt,
    "virtual-file": _fixed("high"),
    "page-compile": _page_compile,
    "include": _include,
    "memory": _memory,
    "file-write": _write,
    "file-open": _open,
    "file-read": _read,
    "file-list": _list,
    "file-delete": _delete,
    "timestomp": _fixed("low"),
    "network": _network,
    "listen": _fixed("high"),
    "sql": _sql,
    "secrets": _fixed("high"),
    "registry": _registry,
    "account": _account,
    "environment": _fixed("low"),
    "written-page": _fixed("high"),
}


def flow_of(event: Event) -> Flow:
    """One event as a flow with its own severity."""
    severity = GRADES[event.kind](event)
    traces = event.traces()
    main = next((one for one in traces if one.kind == "client"), traces[0] if traces else None)
    if main is None:
        text = message("page.flow.unfollowed", call=event.call, does=event.kind)
        return Flow("", 0, (), event.kind, event.call, event.line, severity, text)
    steps = tuple(Step(what, line) for what, line in main.steps)
    text = message(
        "page.flow.followed", taken=main.kind, source=main.source, line=main.line, does=event.kind, call=event.call, at=event.line
    )
    return Flow(main.source, main.line, steps, event.kind, event.call, event.line, severity, text)


@dataclass(frozen=True, slots=True)
class Combination:
    """Sinks that together mean more."""

    severity: str
    reason: str


_PASSWORD = re.compile(r"pass(?:word|wd)?\b|pwd\b|passw", re.IGNORECASE)


def _content_sources(event: Event) -> str:
    """What the client sends into a file, by the names it has in the request."""
    return " ".join(trace.source for trace in _role(event, "content").all_traces() if trace.kind == "client")


_RUNNING = {"process-start": "command", "code-execution": "code", "assembly-load": "assembly"}


def _unfollowed(event: Event, flow: Flow) -> bool:
    """Whether a sink that runs things got something that is neither constant nor known where it came from."""
    wanted = _RUNNING.get(event.kind)
    if wanted is None or flow.severity != "medium":
        return False
    values = [value for role, value in event.roles.items() if role == wanted]
    return any(
        not value.known and not value.head and not value.path and value.type != "processstartinfo" and NUMBER not in value.marks
        for value in values
    )


def combinations(
    flows: Sequence[Flow], events: Sequence[Event], facts: PageFacts, all_flows: Sequence[Flow]
) -> list[Combination]:
    """What several flows mean together. `all_flows`: one for each event."""
    found: list[Combination] = []
    controlled = {event.kind for event in events if _kinds(event.traces()) & {"client", "upload-name"}}
    present = {event.kind for event in events}
    whole = {
        event.kind for event in events if path_control(event.roles.get("path", Value())) in ("whole", "name", "folder", "site")
    }
    files = whole & {
        "file-write", "file-read", "file-list", "file-delete", "file-open", "timestomp", "page-compile", "folder-create",
    }  # fmt: skip
    if len(files) >= 2:
        found.append(Combination("high", message("page.reason.file-manager")))
    reads = [event for event in events if event.kind in ("file-read", "file-open")]
    if facts.script_platform and any(path_control(event.roles.get("path", Value())) == "whole" for event in reads):
        found.append(Combination("high", message("page.reason.reads-any-file")))
    fetched = [event.roles.get("host", Value()) for event in events if event.kind == "network"]
    if facts.script_platform and any(_controlled(host) and ANCHORED not in host.marks for host in fetched):
        found.append(Combination("high", message("page.reason.proxy")))
    logged = [e for e in events if e.kind in ("file-write", "file-open") and _PASSWORD.search(_content_sources(e))]
    if logged:
        found.append(Combination("high", message("page.reason.collects-passwords")))
    for what in facts.carried:
        found.append(Combination("high", message("page.reason.carries", program=what)))
    if facts.reads_client and any(_unfollowed(event, flow) for event, flow in zip(events, all_flows, strict=True)):
        found.append(
            Combination(
                "high",
                message("page.reason.unfollowed"),
            )
        )
    undeclared = {e.kind for e in events if "undefined" in _kinds(e.roles.get("path", Value()).all_traces())}
    if len(undeclared & {"file-write", "file-read", "file-list", "file-delete", "file-open"}) >= 3:
        found.append(Combination("high", message("page.reason.register-globals")))
    tunnel = _tunnel(events) if "network" in controlled else ""
    if tunnel:
        found.append(Combination(tunnel, message("page.reason.tunnel")))
    memory = [event for event in events if event.kind == "memory"]
    if len({event.call.rpartition(".")[2].lower() for event in memory}) >= 2:
        found.append(Combination("high", message("page.reason.loader")))
    if "network" in present and any(e.kind == "process-start" for e in events) and _socket(events):
        found.append(Combination("high", message("page.reason.reverse-shell")))
    if facts.loader_names:
        found.append(Combination("high", message("page.reason.switches-off", names=", ".join(facts.loader_names))))
    if (
        "sql" in controlled
        and any(
            _controlled(e.roles.get("sql", Value())) and ANCHORED not in e.roles["sql"].marks for e in events if e.kind == "sql"
        )
        and any(flow.sink == "sql" and at_least(flow.severity, "medium") for flow in flows)
    ):
        found.append(Combination("high", message("page.reason.database-console")))
    walked = {event.call.rpartition(".")[2].lower() for event in events if event.kind == "registry"}
    if "getsubkeynames" in walked and walked & {"getvaluenames", "getvalue"}:
        found.append(Combination("high", message("page.reason.registry")))
    if _drops_and_runs(events):
        found.append(Combination("high", message("page.reason.drops-and-runs")))
    spying = present & {"registry", "environment", "file-list", "timestomp", "secrets", "process-start"}
    if len(spying) >= 3 and controlled:
        found.append(Combination("high", message("page.reason.spying")))
    return found


def _drops_and_runs(events: Sequence[Event]) -> bool:
    written = {
        (e.roles["path"].text or "").strip().lower()
        for e in events
        if e.kind in ("file-write", "file-open") and "path" in e.roles
    }
    started = " ".join((value.text or "").lower() for e in events if e.kind == "process-start" for value in e.roles.values())
    return any(len(path) > 4 and path in started for path in written)


def _tunnel(events: Sequence[Event]) -> str:
    """A raw connection to a machine of the client's choice: critical where its data is passed on too, "" where none."""
    hosts = [event.roles.get("host", Value()) for event in events if event.kind == "network" and _raw_socket(event)]
    if not any(_controlled(host) and ANCHORED not in host.marks for host in hosts):
        return ""
    passed = any(_controlled(event.roles.get("content", Value())) for event in events if event.kind in ("network", "file-write"))
    return "critical" if passed else "high"


_RAW_CALLS = (
    "connect", "beginconnect", "connectasync", "tcpclient", "socket", "inetsocketaddress", "fsockopen", "pfsockopen",
    "stream_socket_client", "socket_connect",
)  # fmt: skip


def _raw_socket(event: Event) -> bool:
    """Whether a call opens a connection of its own, below HTTP."""
    return re.split(r"[. ]", event.call.lower())[-1] in _RAW_CALLS


def _socket(events: Sequence[Event]) -> bool:
    return any(event.kind == "network" and _raw_socket(event) for event in events)


def grade(events: Sequence[Event], facts: PageFacts) -> tuple[str, tuple[Flow, ...], tuple[str, ...]]:
    """Severity of the page, its flows (worst first) and the reasons beside them."""
    graded = [(event, flow_of(event)) for event in events]
    if facts.authenticated:
        graded = [(event, _tamed(event, flow)) for event, flow in graded]
    flows = list({(one.sink, one.call, one.sink_line, one.source): one for _event, one in graded}.values())
    together = combinations(flows, events, facts, [flow for _event, flow in graded])
    severity = worst(*(flow.severity for flow in flows), *(one.severity for one in together))
    order = sorted(flows, key=lambda flow: (-_rank(flow.severity), flow.sink_line, flow.call))
    return severity, tuple(order[:40]), tuple(one.reason for one in together)


def _rank(severity: str) -> int:
    return ("info", "low", "medium", "high", "critical").index(severity)


def _tamed(event: Event, flow: Flow) -> Flow:
    """Uploads by signed-in users into the site are an application's business; a path of the client's choice is not."""
    if flow.sink not in ("file-write", "file-open") or flow.severity != "high":
        return flow
    if path_control(event.roles.get("path", Value())) not in ("name", "part", "site"):
        return flow
    return replace(flow, severity="medium")
