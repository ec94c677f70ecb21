"""Derived fields: a small set of ECS-like names over the native columns of every text log.

`derive(kind, fields)` gives an object whose `get(name)` answers for native and derived names alike: None where the log
cannot carry the field, `("",)` where it can and is empty, else the value or values. Everything is computed when first
asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache

from afterpatch.parsers import addresses, urls
from afterpatch.parsers.anchor import Target, build_in, decode_version, parse_anchor, parse_cookie, plain_build
from afterpatch.parsers.cmdlets import Cmdlet, normal_parameters, parse_audit, parse_ecp_command
from afterpatch.parsers.eventdata import decode_event
from afterpatch.parsers.formats import Format, formats

Values = tuple[str, ...] | None
EMPTY: tuple[str, ...] = ("",)
_BACK_PORTS = frozenset({"444", "81"})
_PII = re.compile(r"</?PII>")
_PAIR_SEPARATOR = re.compile(r"[;&]")
_SUCCESS = frozenset({"success", "true", "succeeded", "none"})


def derive(kind: str, fields: Mapping[str, str], side: str = "") -> Derived:
    """The fields of one record. `side` (front | back) is the site that wrote an IIS log, where the site table knows."""
    return Derived(_form(kind), fields, side)


@cache
def _form(kind: str) -> Format:
    table = formats().by_kind
    return table[kind] if kind in table else table["exchange-log"]


@lru_cache(maxsize=256)
def _lower_index(names: tuple[str, ...]) -> Mapping[str, str]:
    """Lower-case name -> name as the log writes it; the first of equal names wins."""
    return {name.lower(): name for name in reversed(names)}


class Derived:
    """Native and derived fields of one record; see `derive`."""

    __slots__ = ("_cache", "_parsed", "fields", "form", "side")

    def __init__(self, form: Format, fields: Mapping[str, str], side: str) -> None:
        self.form = form
        self.fields = fields
        self.side = side
        self._cache: dict[str, Values] = {}
        self._parsed: dict[str, object] = {}

    def get(self, name: str) -> Values:
        """The values of a native or derived field, as `derive` describes them."""
        cached = self._cache
        if name in cached:
            return cached[name]
        native = self.fields.get(name)
        if native is not None:
            found: Values = (native,)
        else:
            maker = _MAKERS.get(name)
            found = maker(self) if maker is not None else self._other(name)
        cached[name] = found
        return found

    def _other(self, name: str) -> Values:
        """Keys inside a column (`ecp.*`, `info.*`, `errors.*`), then native names in another case."""
        prefix, dot, key = name.partition(".")
        if dot and prefix == "ecp":
            return self._event(key.lower())
        if dot and prefix in _PAIR_COLUMNS:
            return self._pairs(_PAIR_COLUMNS[prefix], key.lower())
        exact = _lower_index(tuple(self.fields)).get(name.lower())
        return (self.fields[exact],) if exact is not None else None

    def role(self, role: str) -> str | None:
        """The value of the column that plays this part in this log; None where the record has no such column."""
        column = self.form.roles.get(role)
        if column is None:
            return None
        value = self.fields.get(column)
        if value is None:
            exact = _lower_index(tuple(self.fields)).get(column.lower())
            value = self.fields[exact] if exact is not None else None
        return value

    def event(self) -> Mapping[str, tuple[str, ...]] | None:
        """The decoded EventData of ECP and OWA server logs."""
        text = self.role("event")
        if text is None:
            return None
        if "event" not in self._parsed:
            self._parsed["event"] = decode_event(text)
        found: Mapping[str, tuple[str, ...]] = self._parsed["event"]  # type: ignore[assignment]
        return found

    def _event(self, key: str) -> Values:
        event = self.event()
        if event is None:
            return None
        if key in event:
            return event[key]
        return EMPTY if key in self.form.event_keys else None

    def _pairs(self, column: str, key: str) -> Values:
        """`key` of a `Key=Value;Key=Value` column."""
        text = self.get(column)
        if text is None:
            return None
        if column not in self._parsed:
            self._parsed[column] = decode_event(text[0])
        pairs: Mapping[str, tuple[str, ...]] = self._parsed[column]  # type: ignore[assignment]
        return pairs.get(key, EMPTY)

    def target(self, role: str) -> Target | None:
        """The parsed AnchorMailbox (`anchor`) or BackEndCookie (`cookie`)."""
        text = self.role(role)
        if text is None:
            return None
        if role not in self._parsed:
            self._parsed[role] = parse_anchor(text) if role == "anchor" else parse_cookie(text)
        found: Target = self._parsed[role]  # type: ignore[assignment]
        return found

    def url(self) -> tuple[str, str] | None:
        """(stem, query without `?`) of the request; None where the log names no URL."""
        stem = self.role("stem")
        if stem is not None:
            query = self.role("query") or ""
            return stem, query[1:] if query.startswith("?") else query
        whole = self.role("uri")
        if whole is None:
            key = self.form.roles.get("event_url")
            values = self._event(key) if key is not None else None
            if values is None:
                return None
            whole = values[0]
        path, _, query = whole.partition("?")
        return path, query

    def commands(self) -> tuple[Cmdlet, ...] | None:
        """The cmdlets this record speaks of; () where it could name one and does not."""
        if "commands" not in self._parsed:
            self._parsed["commands"] = self._commands()
        found: tuple[Cmdlet, ...] | None = self._parsed["commands"]  # type: ignore[assignment]
        return found

    def _commands(self) -> tuple[Cmdlet, ...] | None:
        if "cmd" in self.form.event_keys:
            values = self._event("cmd")
            return None if values is None else tuple(one for value in values for one in parse_ecp_command(value))
        audit = self.audit()
        name = self.role("cmdlet")
        if audit is not None:
            name = name or audit.get("operation", "")
            return (Cmdlet(name, audit.get("parameters", "")),) if name else ()
        if name is None:
            return None
        return (Cmdlet(name, normal_parameters(self.role("parameters") or "")),) if name else ()

    def audit(self) -> Mapping[str, str] | None:
        """What the JSON of an admin audit row says."""
        text = self.role("audit")
        if text is None:
            return None
        if "audit" not in self._parsed:
            self._parsed["audit"] = parse_audit(text)
        found: Mapping[str, str] = self._parsed["audit"]  # type: ignore[assignment]
        return found


_PAIR_COLUMNS = {"info": "GenericInfo", "errors": "GenericErrors", "backendinfo": "BackEndGenericInfo"}


def _of_role(role: str) -> Callable[[Derived], Values]:
    def make(view: Derived) -> Values:
        value = view.role(role)
        return None if value is None else (value,)

    return make


@lru_cache(maxsize=256)
def _forwarded_column(names: tuple[str, ...]) -> str | None:
    wanted = formats().forwarded
    return next((name for name in names if name.lower() in wanted), None)


def _source_ip(view: Derived) -> Values:
    if not view.form.quoted:  # only IIS can log a header of the request
        column = _forwarded_column(tuple(view.fields))
        if column is not None and (public := addresses.first_public(view.fields[column])):
            return (public,)
    text = view.role("client")
    if text is not None:
        return (addresses.clean_address(text),)
    return _smtp_client(view)


def _smtp_client(view: Derived) -> Values:
    """SMTP logs name two ends; the client is the remote one where the local port is one that servers listen on."""
    local, remote = view.role("local"), view.role("remote")
    if local is None or remote is None or addresses.split_endpoint(local)[1] not in formats().smtp_ports:
        return None
    return (addresses.split_endpoint(remote)[0],)


def _user_name(view: Derived) -> Values:
    key = view.form.roles.get("event_user")
    if key is not None:
        values = view.get(f"ecp.{key}")
        return None if values is None else tuple(_PII.sub("", value) for value in values)
    audit = view.audit()
    if audit is not None and audit.get("user"):
        return (audit["user"],)
    return _of_role("user")(view)


def _user_agent(view: Derived) -> Values:
    text = view.role("agent")
    if text is None:
        return None
    if not view.form.quoted:  # IIS: `+` is a space, but for the one before an address: (+http://...) and ;++http://...
        text = text.replace("++", " \0").replace("(+", "(\0").replace("+", " ").replace("\0", "+")
    return (" ".join(text.replace(",", " ").split()),)


def _url_original(view: Derived) -> Values:
    parts = view.url()
    return None if parts is None else (f"{parts[0]}?{parts[1]}" if parts[1] else parts[0],)


def _url_full(view: Derived) -> Values:
    original = view.get("url.original")
    return None if original is None else urls.decodings(original[0])


def _url_path(view: Derived) -> Values:
    parts = view.url()
    if parts is None:
        return None
    stem = parts[0]
    if "://" in stem[:12]:  # ECP activity writes whole URLs
        stem = "/" + stem.partition("://")[2].partition("/")[2]
    return (urls.clean_path(stem),)


def _url_query(view: Derived) -> Values:
    parts = view.url()
    return None if parts is None else (urls.decodings(parts[1])[-1],)


def _url_page(view: Derived) -> Values:
    path = view.get("url.path")
    return None if path is None else (urls.page_of(path[0]),)


def _url_extension(view: Derived) -> Values:
    path = view.get("url.path")
    return None if path is None else (urls.extension_of(path[0]),)


def _server_side(view: Derived) -> Values:
    side = view.form.side or view.side
    if side:
        return (side,)
    port = view.role("port")
    return None if port is None else ("back" if port in _BACK_PORTS else "front",)


def _of_target(role: str, part: str) -> Callable[[Derived], Values]:
    def make(view: Derived) -> Values:
        target = view.target(role)
        return None if target is None else (getattr(target, part),)

    return make


def _cookie_build(view: Derived) -> Values:
    target = view.target("cookie")
    if target is None:
        return None
    number = target.version
    return (decode_version(int(number)) if number.isascii() and number.isdigit() and len(number) < 11 else "",)


def _backend_build(view: Derived) -> Values:
    info = view.get("GenericInfo")
    return None if info is None else (build_in(info[0]),)


def _exchange_build(view: Derived) -> Values:
    names = ("MajorVersion", "MinorVersion", "BuildVersion", "RevisionVersion")
    if "MajorVersion" in view.fields:
        return (plain_build(".".join(view.fields.get(name, "") for name in names)),)
    if "schema-version" in view.fields:
        return (plain_build(view.fields["schema-version"]),)
    stated = view.get("ecp.bld")
    return None if stated is None else (plain_build(stated[0]),)


def _target_build(view: Derived) -> Values:
    stated = view.fields.get("TargetServerVersion")
    return None if stated is None else (plain_build(stated),)


def _cmdlet_name(view: Derived) -> Values:
    commands = view.commands()
    return None if commands is None else tuple(one.name for one in commands) or EMPTY


def _cmdlet_parameters(view: Derived) -> Values:
    commands = view.commands()
    return None if commands is None else tuple(one.parameters for one in commands) or EMPTY


def _cmdlet_caller(view: Derived) -> Values:
    return view.get("user.name") if "cmdlet" in view.form.roles else None


def _cmdlet_result(view: Derived) -> Values:
    """success | failure | "" (not stated)."""
    if "cmd" in view.form.event_keys:
        event = view.event()
        if event is None or "ex" not in event:
            return None if event is None else EMPTY
        return ("failure" if event["ex"][0] else "success",)
    text = view.role("result")
    if text is None:
        return None
    return (("success" if text.strip().lower() in _SUCCESS else "failure") if text.strip() else "",)


def _cmdlet_host(view: Derived) -> Values:
    """The host application: process and client application of Rps_Cmdlet."""
    if "parameters" not in view.form.roles:
        return None
    found = [view.fields[name] for name in ("ProcessName", "ClientApplication") if view.fields.get(name)]
    return tuple(found) or EMPTY


_MAKERS: Mapping[str, Callable[[Derived], Values]] = {
    "source.ip": _source_ip,
    "http.method": _of_role("method"),
    "http.status": _of_role("status"),
    "http.substatus": _of_role("substatus"),
    "user.name": _user_name,
    "user_agent": _user_agent,
    "url.original": _url_original,
    "url.full": _url_full,
    "url.path": _url_path,
    "url.query": _url_query,
    "url.page": _url_page,
    "url.extension": _url_extension,
    "server.side": _server_side,
    **{f"anchor.{part}": _of_target("anchor", part) for part in ("source", "value", "host", "port", "path", "query")},
    **{f"cookie.{part}": _of_target("cookie", part) for part in ("source", "value", "host", "port", "path", "version")},
    "cookie.build": _cookie_build,
    "backend.build": _backend_build,
    "exchange.build": _exchange_build,
    "target.build": _target_build,
    "cmdlet.name": _cmdlet_name,
    "cmdlet.parameters": _cmdlet_parameters,
    "cmdlet.caller": _cmdlet_caller,
    "cmdlet.result": _cmdlet_result,
    "cmdlet.host": _cmdlet_host,
    "bytes.in": _of_role("bytes_in"),
    "bytes.out": _of_role("bytes_out"),
}

DERIVED_NAMES = tuple(_MAKERS)  # besides `ecp.<key>`, `info.<key>`, `errors.<key>`, `backendinfo.<key>`
