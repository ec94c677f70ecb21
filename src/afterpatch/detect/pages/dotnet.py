"""C#, VB.NET, JScript and classic ASP: what their calls mean beside the tables."""

from __future__ import annotations

from collections.abc import Sequence

from afterpatch.detect.pages import ir
from afterpatch.detect.pages.dotnetreflect import DotNetReflection
from afterpatch.detect.pages.folding import short
from afterpatch.detect.pages.value import Value

_SOURCE_CALLS = frozenset(
    ("binaryread", "saveas", "item", "get", "getvalues", "getinputstream", "getbufferedinputstream", "getbufferlessinputstream")
)
_SELECTORS = frozenset(
    (
        "first",
        "firstordefault",
        "single",
        "singleordefault",
        "where",
        "last",
        "lastordefault",
        "elementat",
        "tolist",
        "toarray",
        "find",
    )
)


class DotNetMachine(DotNetReflection):
    """The platform of ASP and ASP.NET pages."""

    def call_name(self, node: ir.Call, target: ir.Name) -> Value:
        lower = target.id.lower()
        if self.lookup(target.id) is None and (self.tables.has("request_names", lower) or self.tables.has("stores", lower)):
            return self.element(self.name(target), [self.ev(one) for one in node.args], node)
        held = self.lookup(target.id)
        if held is not None and self.tables.has("rows", held.type):
            return self.element(held, [self.ev(one) for one in node.args], node)
        return super().call_name(node, target)

    def special(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        if self.is_request(holder):
            return self.request_call(holder, method, arguments, node)
        if self.tables.has("request_names", method) and arguments and not holder.known:
            return self.element(Value(type="httprequest"), arguments, node)
        if self.tables.has("stores", method) and arguments and not holder.known and not holder.traces and holder.type != "state":
            return self.element(self.state(method), arguments, node)
        if self.tables.has("rows", holder.type) and method in ("fields", "item", "collect", "getrows", "getstring"):
            return self.element(holder, arguments, node)
        if holder.type == "state":
            return self.state_call(holder, method, arguments, node)
        if method in ("createobject", "getobject", "bindtomoniker") or (method == "activexobject"):
            return self.create(arguments, node)
        if method in ("eval", "function") and not holder.type and (holder.path in ("", "this", "window", "globalthis")):
            return self.evaluate(method, arguments, node)
        if method == "mappath":
            return self.map_path(arguments, node)
        if method == "findcontrol":
            return Value(path="control:" + (arguments[0].text or "found") if arguments else "control:found")
        if method == "getsection" and arguments and "machinekey" in (arguments[0].text or "").lower():
            self.event("secrets", "GetSection", node.line, {"data": arguments[0]})
        if method == "getref" and arguments and (arguments[0].text or "").lower() in self.functions:
            return Value(function=tuple(self.functions[(arguments[0].text or "").lower()][:4]))
        if method == "constructor" and holder.path == "constructor" and "jscript" in self.languages:
            return self.evaluate("function", arguments, node)
        if method in ("ubound", "lbound") and arguments and self.caseless:
            size = 0 if method == "lbound" else self.size(arguments[0])
            if size is not None and (method == "lbound" or size):
                return Value(const=max(size - 1, 0) if method == "ubound" else 0)
        if method == "add" and len(arguments) == 2 and holder.fields is not None and self.key_of(arguments[0]) is not None:
            self.set_field(holder, self.key_of(arguments[0]) or "?", arguments[1])
        if method == "item" and arguments and holder.fields is not None and holder.type not in ("state",):
            return self.element(holder, arguments, node)
        if method == "reverse" and short(holder.path) == "array" and arguments:
            return self.reverse(arguments[0])
        if method in _SELECTORS and holder.type in ("methodinfo", "type", "constructorinfo"):
            return holder
        return self.reflection(holder, method, arguments, node)

    def request_call(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value | None:
        if method == "mappath":
            return self.map_path(arguments, node)
        if self.tables.has("request_safe", method) and method != "saveas":
            return Value(path="request." + method)
        if method in ("getrequeststream", "getresponse", "setrequestheader"):
            return None
        collection = self.request_member(node, holder, method, method)
        return self.element(collection, arguments, node) if arguments else collection

    def state_call(self, holder: Value, method: str, arguments: Sequence[Value], node: ir.Node) -> Value:
        if method in ("add", "insert", "set", "setvalue") and len(arguments) > 1:
            self.store_element(holder, arguments[:1], arguments[1], node)
            return Value()
        return self.element(holder, arguments, node)
