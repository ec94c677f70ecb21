"""What several sinks of one page mean together. Each rule looks at the whole page and gives a severity, "" where it
does not hold; its reason is the message `page.reason.<name>`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from afterpatch.detect.pages.control import PageFacts, controlled, host_chosen, kinds, path_control, role, server_chosen
from afterpatch.detect.pages.scope import Event
from afterpatch.detect.pages.value import ANCHORED, NUMBER, Value
from afterpatch.detect.pages.verdict import Flow, at_least
from afterpatch.model import message

_FILES = frozenset(
    ("file-write", "file-read", "file-list", "file-delete", "file-open", "timestomp", "page-compile", "folder-create")
)
_PASSWORD = re.compile(r"pass(?:word|wd)?\b|pwd\b|passw|\bcvv|cardnum|card_num|ccnum", re.IGNORECASE)
_RUNNING = {"process-start": "command", "code-execution": "code", "assembly-load": "assembly"}
_RAW_CALLS = (
    "connect", "beginconnect", "connectasync", "tcpclient", "socket", "inetsocketaddress", "fsockopen", "pfsockopen",
    "stream_socket_client", "socket_connect",
)  # fmt: skip
_TEMPORARY = frozenset(("/tmp", "/var/tmp", "/var/lib/php/session", "/var/lib/php/sessions", "/var/lib/php5"))  # noqa: S108
_LISTING = frozenset(("each element", "explode", "split", "preg_split", "[...]"))
_STARTERS = frozenset(("system", "exec", "shell_exec", "passthru", "popen", "proc_open", "pcntl_exec"))
_APPLICATION = re.compile(r"(?:^|[\\/])(?:wp-(?:load|config|blog-header)|configuration)\.php$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Combination:
    """Sinks that together mean more."""

    severity: str
    reason: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One page: its events, the flow of each, and what is known beside. `controlled`: kinds of sinks that something
    of the client's reaches, `present`: all kinds."""

    events: Sequence[Event]
    flows: Sequence[Flow]
    facts: PageFacts
    controlled: frozenset[str] = field(default_factory=frozenset)
    present: frozenset[str] = field(default_factory=frozenset)

    def of(self, *wanted: str) -> Iterator[Event]:
        """Events of some kinds."""
        return (event for event in self.events if event.kind in wanted)


def _file_manager(seen: Seen) -> str:
    chosen = ("whole", "name", "folder", "site")
    return "high" if len({one.kind for one in seen.of(*_FILES) if path_control(role(one, "path")) in chosen}) >= 2 else ""


def _reads_any_file(seen: Seen) -> str:
    reads = {"file-read", "file-open"}
    whole = any(
        event.kind in reads and at_least(flow.severity, "medium") and path_control(role(event, "path")) == "whole"
        for event, flow in zip(seen.events, seen.flows, strict=True)
    )
    return "high" if whole and (seen.facts.script_platform or not seen.facts.authenticated) else ""


def _reads_temporary(seen: Seen) -> str:
    """Whatever lies in the system's folder for temporary files, which is where PHP keeps sessions."""
    listed = {(role(one, "path").text or "").rstrip("/\\").lower() for one in seen.of("file-list")} & _TEMPORARY
    read = [role(one, "path").head.lower() for one in seen.of("file-read", "file-open")]
    return "high" if any(head.startswith(folder + "/") for folder in listed for head in read) else ""


def _proxy(seen: Seen) -> str:
    return "high" if seen.facts.script_platform and any(host_chosen(role(one, "host")) for one in seen.of("network")) else ""


def _sent(event: Event) -> str:
    """What the client sends into a file, by the names it has in the request."""
    return " ".join(trace.source for trace in role(event, "content").all_traces() if trace.kind == "client")


def _collects_passwords(seen: Seen) -> str:
    """Credentials that were sent, into a file, or by mail to somebody who did not send them."""
    kept = [*seen.of("file-write", "file-open"), *(one for one in seen.of("mail") if not controlled(role(one, "to")))]
    return "high" if any(_PASSWORD.search(_sent(one)) for one in kept) else ""


def _unfollowed_sink(event: Event, flow: Flow) -> bool:
    """Whether a sink that runs things got something that is neither constant nor known where it came from."""
    wanted = _RUNNING.get(event.kind)
    if wanted is None or flow.severity != "medium":
        return False
    values = [value for name, value in event.roles.items() if name == wanted]
    return any(
        not value.known and not value.head and not value.path and value.type != "processstartinfo" and NUMBER not in value.marks
        for value in values
    )


def _unfollowed(seen: Seen) -> str:
    some = any(_unfollowed_sink(event, flow) for event, flow in zip(seen.events, seen.flows, strict=True))
    return "high" if seen.facts.reads_client and some else ""


def _register_globals(seen: Seen) -> str:
    wanted = ("file-write", "file-read", "file-list", "file-delete", "file-open")
    undeclared = {one.kind for one in seen.of(*wanted) if "undefined" in kinds(role(one, "path").all_traces())}
    return "high" if len(undeclared) >= 3 else ""


def _raw_socket(event: Event) -> bool:
    """Whether a call opens a connection of its own, below HTTP."""
    return re.split(r"[. ]", event.call.lower())[-1] in _RAW_CALLS


def _tunnel(seen: Seen) -> str:
    """A raw connection to a machine of the client's choice: critical where its data is passed on too."""
    if not any(host_chosen(role(one, "host")) for one in seen.of("network") if _raw_socket(one)):
        return ""
    return "critical" if any(controlled(role(one, "content")) for one in seen.of("network", "file-write")) else "high"


def _loader(seen: Seen) -> str:
    return "high" if len({one.call.rpartition(".")[2].lower() for one in seen.of("memory")}) >= 2 else ""


def _reverse_shell(seen: Seen) -> str:
    return "high" if "process-start" in seen.present and any(_raw_socket(one) for one in seen.of("network")) else ""


def _database_console(seen: Seen) -> str:
    statements = [role(one, "sql") for one in seen.of("sql")]
    free = any(controlled(one) and ANCHORED not in one.marks for one in statements)
    if free and any(flow.sink == "sql" and at_least(flow.severity, "medium") for flow in seen.flows):
        return "high"
    chosen = any(server_chosen(role(one, "connection")) for one in seen.of("sql"))
    return "high" if chosen and any(controlled(one) for one in statements) else ""


def _registry(seen: Seen) -> str:
    walked = {one.call.rpartition(".")[2].lower() for one in seen.of("registry")}
    return "high" if "getsubkeynames" in walked and walked & {"getvaluenames", "getvalue"} else ""


def _drops_and_runs(seen: Seen) -> str:
    written = {(role(one, "path").text or "").strip().lower() for one in seen.of("file-write", "file-open")}
    started = " ".join((value.text or "").lower() for one in seen.of("process-start") for value in one.roles.values())
    return "high" if any(len(path) > 4 and path in started for path in written) else ""


def _ladder(seen: Seen) -> str:
    """One way after another to start a program that is not written there: whichever the server allows."""
    starters = {
        one.call.lower() for one in seen.of("process-start") if not role(one, "command").known and not role(one, "command").head
    }
    return "high" if len(starters & _STARTERS) >= 3 else ""


def _writes_and_runs(seen: Seen) -> str:
    """Text of the client's goes into a file, and a program is started that is put together while the page runs."""
    written = [one for one in seen.of("file-write") if controlled(role(one, "content"))]
    typed = any("FILES" not in trace.source for one in written for trace in role(one, "content").all_traces())
    started = any(not role(one, "command").known for one in seen.of("process-start"))
    return "high" if seen.facts.script_platform and typed and started else ""


def _spying(seen: Seen) -> str:
    spying = seen.present & {"registry", "environment", "file-list", "timestomp", "secrets", "process-start"}
    return "high" if len(spying) >= 3 and seen.controlled else ""


def _style_sheet(seen: Seen) -> str:
    """Style sheets may hold script wherever nobody switched it off: in MSXML and in Java that is the default."""
    return "high" if seen.facts.script_platform and "xslt-script" in seen.controlled else ""


def _from_a_list(value: Value) -> bool:
    """Whether a value is one of several that came together."""
    return any(step in _LISTING for trace in value.all_traces() for step, _line in trace.steps)


def _mailer(seen: Seen) -> str:
    """Mail with the client's text to whom the client says: of a list, or through a server it names, or from whom it says."""
    sent = list(seen.of("mail"))
    to = [role(one, "to") for one in sent if controlled(role(one, "to"))]
    lists = [one for one in sent if _from_a_list(role(one, "to"))]
    undeclared = any(
        all("undefined" in kinds(role(one, name).all_traces()) for name in ("to", "content")) for one in lists
    )  # register_globals
    if undeclared and seen.facts.script_platform:
        return "high"
    if not to or not any(controlled(role(one, "content")) for one in sent):
        return ""
    if lists or seen.facts.script_platform or any(host_chosen(role(one, "host")) for one in sent):
        return "high"
    return ""


def _impersonates(seen: Seen) -> str:
    """Files or programs of the client's choice under an account whose password it sends."""
    logons = [one for one in seen.of("environment", "account") if one.call.lower().rpartition(".")[2].startswith("logonuser")]
    acts = seen.controlled & {"process-start", "file-delete", "file-list"} or any(
        path_control(role(one, "path")) == "whole" for one in seen.of("file-read", "file-write", "file-open")
    )
    return "high" if any(one.traces() for one in logons) and acts else ""


def _application_account(seen: Seen) -> str:
    """Accounts of an application whose start-up file the page includes by itself (no plug-in, a door beside it), and
    administrators by the client's name and password."""
    made = list(seen.of("account"))
    takes = any(one.traces() for one in made if one.call.lower().startswith("wp_"))
    if takes and any("administrator" in (value.text or "").lower() for one in made for value in one.roles.values()):
        return "high"
    included = any(_APPLICATION.search((role(one, "path").text or role(one, "path").tail).strip()) for one in seen.of("include"))
    return "high" if included and "account" in seen.present else ""


RULES: dict[str, Callable[[Seen], str]] = {
    "file-manager": _file_manager,
    "reads-any-file": _reads_any_file,
    "reads-temporary": _reads_temporary,
    "proxy": _proxy,
    "collects-passwords": _collects_passwords,
    "unfollowed": _unfollowed,
    "register-globals": _register_globals,
    "tunnel": _tunnel,
    "loader": _loader,
    "reverse-shell": _reverse_shell,
    "database-console": _database_console,
    "registry": _registry,
    "drops-and-runs": _drops_and_runs,
    "spying": _spying,
    "ladder": _ladder,
    "writes-and-runs": _writes_and_runs,
    "style-sheet": _style_sheet,
    "mailer": _mailer,
    "impersonates": _impersonates,
    "application-account": _application_account,
}


def combinations(events: Sequence[Event], flows: Sequence[Flow], facts: PageFacts) -> list[Combination]:
    """What several flows mean together. `flows`: one for each event, in the same order."""
    reached = frozenset(one.kind for one in events if kinds(one.traces()) & {"client", "upload-name"})
    seen = Seen(events, flows, facts, reached, frozenset(one.kind for one in events))
    found = [Combination(severity, message(f"page.reason.{name}")) for name, rule in RULES.items() if (severity := rule(seen))]
    found += [Combination("high", message("page.reason.carries", program=what)) for what in facts.carried]
    if facts.loader_names:
        found.append(Combination("high", message("page.reason.switches-off", names=", ".join(facts.loader_names))))
    return found
