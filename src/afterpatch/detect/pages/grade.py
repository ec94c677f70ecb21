"""From sinks that were reached to what they are worth, alone and together."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from afterpatch.detect.pages.control import (
    PAGE_ENDS,
    SCRIPT_ENDS,
    WRAPPERS,
    PageFacts,
    controlled,
    host_chosen,
    kinds,
    path_control,
    role,
)
from afterpatch.detect.pages.scope import Event
from afterpatch.detect.pages.together import combinations
from afterpatch.detect.pages.value import ANCHORED, BASENAME, BUILT, DECODED, FIXED_END, QUOTED, Value
from afterpatch.detect.pages.verdict import Flow, Step, worst
from afterpatch.model import message

# A bare command shell, which then takes its orders from elsewhere, or a shell joined to a network connection.
_SHELL = re.compile(
    r"^\s*(?:\S{0,80}[\\/])?(?:cmd(?:\.exe)?|(?:ba|z|k|c)?sh|powershell(?:\.exe)?)(?:\s+-i|\s+-|\s*$)|/dev/tcp/|\bnc(?:\.exe|at)?\s.{0,60}-e\b",
    re.IGNORECASE,
)
_SHELLS = re.compile(
    r"(?:\S{0,80}[\\/])?(?:cmd|(?:ba|z|k|c)?sh|powershell|pwsh|perl|python|php|ruby|eval|env|sudo|nohup|wget|curl)\b",
    re.IGNORECASE,
)
# Commands that fetch a program, make an administrator, or wipe what logs and histories say.
_TELLING_COMMAND = re.compile(
    r"\b(?:wget|curl|fetch|lwp-download|lynx)\b.{0,200}(?:https?|ftp)://|certutil.{0,40}urlcache|bitsadmin.{0,40}/transfer"
    r"|powershell.{0,60}(?:-e(?:nc|c|ncodedcommand)?\s|downloadstring|downloadfile)|net1?\s+(?:user|localgroup)\s.{0,80}/add"
    r"|rm\s+-\w*[rf]\w*\s+/(?:var/log|etc|root|usr|\s|\*)|bash_history|HISTFILE|/etc/shadow|/var/log/(?:wtmp|lastlog|messages|secure)"
    r"|vssadmin|wevtutil\s+cl|mimikatz|procdump.{0,40}lsass|reg(?:\.exe)?\s+save\s+hklm",
    re.IGNORECASE,
)
_SQL_SHELL = re.compile(
    r"\b(?:xp_cmdshell|sp_oacreate|sp_oamethod|xp_regwrite|sys_exec|sys_eval|into\s+(?:dump|out)file|create\s+assembly|dbms_scheduler)\b",
    re.IGNORECASE,
)
# Where a system keeps its accounts: no page's business.
_ACCOUNTS = re.compile(
    r"^/etc/(?:master\.)?(?:passwd|shadow)\b|[\\/]config[\\/]sam\b|[\\/]repair[\\/]sam\b|ntds\.dit$", re.IGNORECASE
)
_STREAMS = ("inputstream", "postedfile", "filecontent", "getbufferedinputstream", "getbufferlessinputstream", "getinputstream")
_AUTORUN = re.compile(r"currentversion\\+(?:run|policies|winlogon|image file)|\\services\\", re.IGNORECASE)
# Code in a constant, of a language that is not read here, which starts programs.
_RUNS_PROGRAM = re.compile(
    r"getRuntime\s{0,4}\(|ProcessBuilder|WScript\.Shell|Diagnostics\.Process|shell_exec|Runtime\.exec|child_process"
)
_REMOTE = ("php://input", "php://filter", "data:", "http://", "https://", "ftp://", "expect://", "\\\\", "phar://", "zip://")
_PACKED = 300  # characters of a constant that a function nobody can name is called with
_PRELOADS = ("ld_preload", "gconv_path", "ld_library_path", "ld_audit")
# What makes a server run more than it should: other extensions as scripts, a script in front of every page.
_SETTINGS = re.compile(
    r"(?:AddType|AddHandler|SetHandler)\s+\S*(?:php|cgi)\S*(?!\s+\.?php\b)|auto_(?:prepend|append)_file|ForceType\s+\S*php|Options\s.{0,40}ExecCGI"
    r"|scriptProcessor\s*=|<handlers\b",
    re.IGNORECASE,
)
_SETTING_FILES = (".htaccess", ".user.ini", "web.config")
_NOT_CODE = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".ico", ".zip", ".rar", ".tmp", ".pdf", ".mp3", ".txt")


def _code(event: Event) -> str:
    found = kinds(event.traces())
    if "client" in found:
        return "critical"
    if found & {"download", "upload-name"}:
        return "high"
    code = role(event, "code")
    if "unsafe" in event.roles and not code.known:
        return "high"  # no application asks for the full rights of eval
    if code.text is not None and _RUNS_PROGRAM.search(code.text):
        return "high"
    if {BUILT, DECODED} & code.marks or found & {"session", "undefined", "file", "database"}:
        return "high"
    return "low" if code.known else "medium"


def _process(event: Event) -> str:
    found = kinds(event.traces())
    command = role(event, "command")
    if {QUOTED, ANCHORED} <= command.marks and not _SHELLS.match(command.head.lstrip()):
        return "medium"  # one quoted argument of a program that is written there
    if "client" in found:
        return "critical"
    if found & {"download", "upload-name", "undefined", "file", "session"} or "embedded" in event.roles:
        return "high"
    commands = " ".join(value.text or value.head for role, value in event.roles.items() if role == "command")
    telling = _SHELL.search(commands) or _TELLING_COMMAND.search(commands) or commands.lstrip().startswith(("./", ".\\"))
    return "high" if telling else "medium"  # a program that lies beside the page is none of the system's


def _load(event: Event) -> str:
    found = kinds(event.traces())
    if "client" in found:
        return "critical"
    if found & {"download", "session"} or DECODED in role(event, "assembly").marks:
        return "high"
    value = role(event, "assembly")
    spelled = (value.text or value.head).lower()
    nested = [one.text or "" for one in (value.fields or {}).values()]
    if any(one.lower().startswith(_REMOTE) for one in (spelled, *nested)) or spelled.startswith(_PRELOADS):
        return "high"  # a library from another machine, or one that is put in front of all others
    if isinstance(value.const, bytes | bytearray) and (len(value.const) > 256 or value.const[:2] == b"MZ"):
        return "high"
    return "low" if value.known else "medium"


def _reflection(event: Event) -> str:
    found = kinds(event.traces("type", "object", "callable"))
    if "client" in found:
        return "high"
    return "high" if "download" in found else "low"


def _deserialise(event: Event) -> str:
    if event.call.lower().endswith(("deserializeobject", "populateobject")) and not {"settings", "typed"} & event.roles.keys():
        return "info"  # without settings that let the text name its types it builds data only
    return "high" if "client" in kinds(event.traces()) else "low"


def _xslt(event: Event) -> str:
    if "embedded" in event.roles:
        return "high"
    trusted = "trust" in event.roles and not event.roles["trust"].known
    if "client" in kinds(event.traces("code", "object", "data")):
        return "critical" if trusted else "medium"
    return "medium" if trusted else "low"


def _names_page(text: str) -> bool:
    return text.lower().strip().endswith(PAGE_ENDS)


def _write(event: Event) -> str:
    path, content = role(event, "path"), role(event, "content")
    held = role(event, "handle").fields or {}
    if "path" not in event.roles and "path" in held:
        path = held["path"]
    if "content" not in event.roles and role(event, "object").type in ("adodb.stream", "memorystream"):
        content = role(event, "object")
    control = path_control(path)
    if control == "whole":
        return "high"
    if controlled(content) and content.head.lower().startswith(WRAPPERS):
        return "high"  # a stream wrapper in front of the client's text: a way around restrictions
    text = path.text or path.tail
    if controlled(content) and text.lower().rstrip().endswith(SCRIPT_ENDS):
        return "critical"
    if control == "name":
        loose = BASENAME not in path.marks or controlled(content)
        return "high" if loose or "upload-name" in kinds(path.all_traces()) else "medium"
    if control == "site":
        if event.call.lower().endswith("saveas") and "client" in kinds(path.all_traces()):
            return "high"  # what was sent, wherever below the site the client says
        return "high" if controlled(content) or "upload-name" in kinds(path.all_traces()) else "medium"
    if control == "part" and FIXED_END not in path.marks and BASENAME not in path.marks and controlled(content):
        return "high" if "client" in kinds(path.all_traces()) else "medium"  # name, type and content are the client's
    if control in ("part", "folder"):
        return "medium"
    if _names_page(text) and ("content" in event.roles or "path" in event.roles):
        return "high"
    if text.lower().rstrip().endswith(_SETTING_FILES) and _SETTINGS.search(content.text or content.head):
        return "high"
    if "download" in kinds(content.all_traces()) and text.lower().endswith(SCRIPT_ENDS):
        return "high"
    return "low"


def _open(event: Event) -> str:
    mode = role(event, "mode")
    writes = (
        mode.path.rpartition(".")[2] in ("create", "createnew", "openorcreate", "append", "truncate", "output", "binary")
        or (mode.text or "").lower().rstrip("btsd+") in ("w", "a", "x", "c", "rw", "output", "append")
        or (mode.text or "").lower().startswith("rw")
        or mode.const in (2, 8)
    )
    return _write(event) if writes else _read(event)


def _folder(event: Event) -> str:
    return {"whole": "medium", "site": "low", "name": "low"}.get(path_control(role(event, "path")), "info")


def _read(event: Event) -> str:
    path = role(event, "path")
    if path.text is not None and _ACCOUNTS.search(path.text):
        return "high"
    if all(trace.source.lower().endswith(_STREAMS) for trace in path.all_traces()):
        return "info"  # not a file: what was sent
    return {"whole": "medium", "site": "medium", "name": "medium", "part": "low"}.get(path_control(path), "info")


def _delete(event: Event) -> str:
    control = path_control(role(event, "path"))
    return {"whole": "high", "site": "medium", "name": "medium", "part": "low"}.get(control, "info")


def _list(event: Event) -> str:
    if "drives" in event.roles or not event.roles:
        return "low"
    return {"whole": "high", "site": "medium", "name": "low", "part": "low"}.get(path_control(role(event, "path")), "info")


def _times(event: Event) -> str:
    """Times, owners and modes: whoever chooses any file to change them on is no application's user."""
    return {"whole": "high", "site": "medium"}.get(path_control(role(event, "path")), "low")


def _network(event: Event) -> str:
    return "medium" if host_chosen(role(event, "host")) else "low"


def _sql(event: Event) -> str:
    connection, statement = role(event, "connection"), role(event, "sql")
    spelled = f"{statement.text or ''} {statement.head} {statement.tail}"
    if _SQL_SHELL.search(spelled):
        return "critical" if controlled(statement) or controlled(connection) else "medium"
    if "session" in kinds(connection.all_traces()):
        return "high"
    if controlled(connection) and ANCHORED not in connection.marks:
        return "high"
    if controlled(statement):
        return "low" if ANCHORED in statement.marks else "medium"
    return "info"


def _page_compile(event: Event) -> str:
    path = role(event, "path")
    return {"whole": "medium", "name": "low", "part": "low"}.get(path_control(path), "info")


def _include(event: Event) -> str:
    path = role(event, "path")
    if path.path == "upload.content":
        return "critical"
    text = (path.text or path.head).lower().strip()
    if text.startswith(_REMOTE) or "php://input" in text or text.endswith(_NOT_CODE):
        return "high"
    if "download" in kinds(path.all_traces()):
        return "high"
    return {"whole": "high", "name": "medium", "part": "medium"}.get(path_control(path), "info")


def _memory(event: Event) -> str:
    return "high" if kinds(event.traces()) & {"client", "download"} else "medium"


def _dynamic(event: Event) -> str:
    """A function by a name in a variable: whoever chooses the name chooses what runs."""
    name = role(event, "callable")
    data = role(event, "data")
    given = kinds(data.all_traces()) & {"client", "download", "undefined", "session"}
    if "client" in kinds(name.all_traces()):
        return "critical"
    if kinds(name.all_traces()) & {"undefined", "session"} and given:
        return "high"
    if BUILT in name.marks and not name.known:
        packed = len(data.text or "") >= _PACKED
        return "high" if given or BUILT in data.marks or packed else "medium"
    return "low"


def _registry(event: Event) -> str:
    key = role(event, "key")
    given = "client" in kinds(event.traces())
    if given and (_AUTORUN.search(key.text or key.head) or controlled(key)):
        return "high"
    return "low"


def _account(event: Event) -> str:
    if event.call.lower().startswith("wp_") or event.call.lower().endswith("set_role"):
        return "low"  # what plug-ins of an application do; see `together`
    return "high" if "client" in kinds(event.traces()) else "medium"


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
    "timestomp": _times,
    "network": _network,
    "listen": _fixed("high"),
    "sql": _sql,
    "secrets": _fixed("high"),
    "registry": _registry,
    "account": _account,
    "environment": _fixed("low"),
    "mail": _fixed("info"),
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


def grade(events: Sequence[Event], facts: PageFacts) -> tuple[str, tuple[Flow, ...], tuple[str, ...]]:
    """Severity of the page, its flows (worst first) and the reasons beside them."""
    graded = [(event, flow_of(event)) for event in events]
    if facts.authenticated:
        graded = [(event, _tamed(event, flow)) for event, flow in graded]
    flows = list({(one.sink, one.call, one.sink_line, one.source): one for _event, one in graded}.values())
    together = combinations([event for event, _flow in graded], [flow for _event, flow in graded], facts)
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
