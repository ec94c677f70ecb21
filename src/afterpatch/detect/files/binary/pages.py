"""Which pages a compiled library holds: the constructor of a page's class says its virtual path."""

from __future__ import annotations

from afterpatch.detect.files.binary.clr import Assembly, MemberName

MAX_PAGES = 500
_SETTERS = frozenset(("set_apprelativevirtualpath",))


def page_paths(assembly: Assembly) -> dict[str, str]:
    """Path below the application (`~/auth/x.aspx`) -> the class that is the page, in the order of the classes.

    ASP.NET generates `ASP.auth_x_aspx` with a constructor that sets AppRelativeVirtualPath (source: System.Web.Compilation
    in Microsoft's reference source)."""
    found: dict[str, str] = {}
    for kind in assembly.types:
        if not kind.name.lower().startswith("asp.") or len(found) >= MAX_PAGES:
            continue
        for row in kind.methods[:60]:
            method = assembly.method(row)
            if method is not None and method.offset and method.name in (".ctor", "__BuildControlTree", "FrameworkInitialize"):
                found |= dict.fromkeys(_paths(assembly, method.offset), kind.name)
    return found


def _paths(assembly: Assembly, offset: int) -> list[str]:
    """Constants that begin like a virtual path and are then set as the page's own."""
    last, found = "", []
    for instruction in assembly.body(offset).instructions:
        if instruction.is_ldstr():
            last = assembly.string(instruction.operand.value)
            continue
        calls = str(instruction.opcode.name).startswith("call")
        member: MemberName | None = assembly.member(instruction.operand.value) if calls else None
        if member is not None and member.name.lower() in _SETTERS and last.startswith("~/"):
            found.append(last)
    return found
