"""A .NET assembly: its types, the members it refers to, and the code of its methods. Bounded; nothing is run.

`dnfile` reads the tables (lazily: rows are unpacked when asked for), `dncil` the instructions.
"""

from __future__ import annotations

import logging
import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dnfile
import pefile
from dncil.cil.body import CilMethodBody
from dncil.cil.body.reader import CilMethodBodyReaderBytes
from dncil.cil.instruction import Instruction

from afterpatch.detect.files.binary.blob import Signature, read_signature, read_type


def _not_of_dnfile(record: logging.LogRecord) -> bool:
    """dnfile warns through the root logger; what it cannot read is said by us, in our words."""
    return "dnfile" not in record.pathname


logging.getLogger("dnfile").setLevel(logging.CRITICAL)
logging.getLogger().addFilter(_not_of_dnfile)

MAX_ROWS = 400_000
_CLI = 14
MAX_CODE = 64 * 1024
TYPE_REF, TYPE_DEF, FIELD, METHOD, MEMBER_REF, TYPE_SPEC, METHOD_SPEC = 0x01, 0x02, 0x04, 0x06, 0x0A, 0x1B, 0x2B
_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, struct.error, RecursionError, AssertionError,
    NotImplementedError, MemoryError, dnfile.errors.dnFormatError, pefile.PEFormatError)  # fmt: skip


class NotReadable(Exception):  # noqa: N818 a state of the file, not a bug
    """The file is no .NET assembly, or too damaged to be read; the text says which."""


@dataclass(frozen=True, slots=True)
class MemberName:
    """A method or field that code refers to. `owner` is the whole name of its type, `token` 0 for those of other
    assemblies."""

    owner: str
    name: str
    signature: Signature
    token: int = 0

    @property
    def short_owner(self) -> str:
        """The type's own name, lower case."""
        return short_name(self.owner)

    @property
    def key(self) -> str:
        """`owner.name` in lower case, as the tables of calls have it."""
        return f"{self.short_owner}.{self.name.lower()}"


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """A type of the assembly. `methods` are row numbers, from 1."""

    name: str
    base: str
    interfaces: tuple[str, ...]
    methods: range


@dataclass(frozen=True, slots=True)
class Method:
    """A method of the assembly."""

    row: int
    owner: str
    name: str
    signature: Signature
    virtual: bool
    offset: int  # of the body in the file; 0: it has none


@dataclass(frozen=True, slots=True)
class Body:
    """The code of a method."""

    instructions: tuple[Instruction, ...]
    complete: bool


def short_name(full: str) -> str:
    """The last part of a type's name, lower case, without the count of generic arguments."""
    return full.rpartition(".")[2].rpartition("/")[2].partition("`")[0].lower()


def text(value: object) -> str:
    """A string of the heap."""
    held = getattr(value, "value", value)
    return held if isinstance(held, str) else ""


class Assembly:
    """An opened assembly. Raises NotReadable where the bytes are none."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        try:
            self._pe: Any = dnfile.dnPE(  # type: ignore[no-untyped-call]
                data=data, fast_load=True, clr_lazy_load=True
            )
            self._pe.parse_data_directories(directories=[_CLI])  # type: ignore[no-untyped-call]
        except Exception as error:  # the libraries raise what they like for bytes that are no program
            raise NotReadable(f"not a readable program: {type(error).__name__}") from None
        net = getattr(self._pe, "net", None)
        self._tables = getattr(net, "mdtables", None)
        if net is None or self._tables is None:
            raise NotReadable("no .NET metadata")
        self._strings = getattr(net, "user_strings", None)
        self._members: dict[int, MemberName | None] = {}
        self._types: dict[int, str] = {}

    # --- tables -------------------------------------------------------------------------------------------------

    def rows(self, table: str) -> Any:
        """The rows of a table, () where there are none or too many."""
        held = getattr(self._tables, table, None)
        count = getattr(held, "num_rows", 0) if held is not None else 0
        return held.rows if held is not None and 0 < count <= MAX_ROWS else ()

    def _row(self, table: str, number: int) -> Any:
        rows = self.rows(table)
        if not 0 < number <= len(rows):
            raise ValueError("no such row")
        return rows[number - 1]

    @cached_property
    def name(self) -> str:
        """The assembly's own name, "" where it has none."""
        return self._first("Assembly", "Name")

    @cached_property
    def public_key(self) -> bytes:
        """The publisher's whole public key, b"" where the assembly has none."""
        try:
            return bytes(self._row("Assembly", 1).PublicKey.value or b"")
        except _DAMAGE:
            return b""

    @cached_property
    def module_id(self) -> str:
        """The module's version id: another one in a library of the same version means another compile."""
        try:
            return str(self._row("Module", 1).Mvid)
        except _DAMAGE:
            return ""

    def each(self, table: str) -> Iterator[tuple[int, Any]]:
        """(number from 1, row) of a table; rows that cannot be unpacked are left out."""
        held = self.rows(table)
        for number in range(1, len(held) + 1):
            with suppress(*_DAMAGE):
                yield number, held[number - 1]

    def _first(self, table: str, column: str) -> str:
        try:
            return text(getattr(self._row(table, 1), column))
        except _DAMAGE:
            return ""

    @cached_property
    def references(self) -> tuple[str, ...]:
        """Names of the assemblies it uses."""
        return tuple(self._column("AssemblyRef", "Name"))

    @cached_property
    def native_calls(self) -> dict[int, tuple[str, str]]:
        """P/Invoke: method row -> (library, function)."""
        found: dict[int, tuple[str, str]] = {}
        for _number, row in self.each("ImplMap"):
            try:
                target = row.MemberForwarded.row_index if row.MemberForwarded.table.name == "MethodDef" else 0
                found[target] = (text(row.ImportScope.row.Name), text(row.ImportName))
            except _DAMAGE:
                continue
        return found

    @cached_property
    def resources(self) -> tuple[str, ...]:
        """Names of embedded resources."""
        return tuple(self._column("ManifestResource", "Name"))

    def _column(self, table: str, column: str) -> Iterable[str]:
        for _number, row in self.each(table):
            try:
                yield text(getattr(row, column))
            except _DAMAGE:
                continue

    # --- types --------------------------------------------------------------------------------------------------

    def type_name(self, token: int) -> str:
        """The whole name of a type token; "object" where it cannot be read."""
        if token not in self._types:
            self._types[token] = "object"  # a spec that names itself
            with suppress(*_DAMAGE):
                self._types[token] = self._read_type(token >> 24, token & 0xFFFFFF)
        return self._types[token]

    def _read_type(self, table: int, number: int) -> str:
        if table == TYPE_SPEC:
            blob = self._row("TypeSpec", number).Signature.value
            return read_type(blob, self.type_name)
        row = self._row("TypeRef" if table == TYPE_REF else "TypeDef", number)
        space, name = text(row.TypeNamespace), text(row.TypeName)
        return f"{space}.{name}" if space else name

    def short_type(self, token: int) -> str:
        """The short name of a type token, lower case."""
        return short_name(self.type_name(token))

    def _coded(self, coded: Any) -> str:
        """A type out of a coded index."""
        if coded is None or coded.table is None or not coded.row_index:
            return ""
        tables = {"TypeRef": TYPE_REF, "TypeDef": TYPE_DEF, "TypeSpec": TYPE_SPEC}
        number = tables.get(coded.table.name)
        return self.type_name(number << 24 | coded.row_index) if number else ""

    @cached_property
    def types(self) -> tuple[TypeInfo, ...]:
        """The assembly's own types."""
        starts = self._method_starts
        interfaces = self._interfaces()
        bases: dict[int, str] = {}
        for number, row in self.each("TypeDef"):
            with suppress(*_DAMAGE):
                bases[number] = self._coded(row.Extends)
        found = []
        for position in range(len(starts)):
            base = bases.get(position + 1, "")
            end = starts[position + 1] if position + 1 < len(starts) else len(self.rows("MethodDef")) + 1
            methods = range(starts[position], max(end, starts[position]))
            name = self.type_name(TYPE_DEF << 24 | position + 1)
            found.append(TypeInfo(name, base, tuple(interfaces.get(position + 1, ())), methods))
        return tuple(found)

    def _interfaces(self) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for _number, row in self.each("InterfaceImpl"):
            try:
                found.setdefault(row.Class.row_index, []).append(self._coded(row.Interface))
            except _DAMAGE:
                continue
        return found

    @cached_property
    def _method_starts(self) -> list[int]:
        starts = [1] * len(self.rows("TypeDef"))
        last = 0
        for number, row in self.each("TypeDef"):
            with suppress(*_DAMAGE):
                starts[number - 1] = max(int(row.struct.MethodList_Index), starts[last])
                last = number - 1
        return starts

    def owner_of(self, row: int) -> str:
        """The type a method belongs to."""
        position = bisect_right(self._method_starts, row)
        return self.type_name(TYPE_DEF << 24 | position) if position else ""

    @cached_property
    def attributes(self) -> dict[int, frozenset[str]]:
        """Method row -> names of its attributes, lower case, without `Attribute`."""
        found: dict[int, set[str]] = {}
        for _number, row in self.each("CustomAttribute"):
            try:
                if row.Parent.table.name != "MethodDef":
                    continue
                kind = 0x0A if row.Type.table.name == "MemberRef" else 0x06
                maker = self.member(kind << 24 | row.Type.row_index)
            except _DAMAGE:
                continue
            if maker is not None:
                found.setdefault(row.Parent.row_index, set()).add(maker.short_owner.removesuffix("attribute"))
        return {row: frozenset(names) for row, names in found.items()}

    # --- members ------------------------------------------------------------------------------------------------

    def member(self, token: int) -> MemberName | None:
        """What a method or field token names; None where it cannot be read."""
        if token not in self._members:
            self._members[token] = None
            with suppress(*_DAMAGE):
                self._members[token] = self._read_member(token)
        return self._members[token]

    def _read_member(self, token: int) -> MemberName | None:
        table, number = token >> 24, token & 0xFFFFFF
        if table == METHOD_SPEC:
            coded = self._row("MethodSpec", number).Method
            return self.member((MEMBER_REF if coded.table.name == "MemberRef" else METHOD) << 24 | coded.row_index)
        if table == MEMBER_REF:
            row = self._row("MemberRef", number)
            owner = self._parent(row.Class)
            return MemberName(owner, text(row.Name), read_signature(row.Signature.value, self.short_type))
        if table == METHOD:
            method = self.method(number)
            return MemberName(method.owner, method.name, method.signature, token) if method else None
        if table == FIELD:
            row = self._row("Field", number)
            return MemberName("", text(row.Name), read_signature(row.Signature.value, self.short_type), token)
        return None

    def _parent(self, coded: Any) -> str:
        if coded.table is not None and coded.table.name == "MethodDef":
            return self.owner_of(coded.row_index)
        return self._coded(coded)

    def member_references(self) -> Iterable[tuple[int, MemberName]]:
        """(token, name) of every member of other assemblies that the code may use."""
        for number in range(1, len(self.rows("MemberRef")) + 1):
            token = MEMBER_REF << 24 | number
            member = self.member(token)
            if member is not None:
                yield token, member

    # --- methods ------------------------------------------------------------------------------------------------

    def method(self, number: int) -> Method | None:
        """A method by its row; None where it cannot be read."""
        try:
            row = self._row("MethodDef", number)
            signature = read_signature(row.Signature.value, self.short_type)
            rva = int(row.Rva or 0)
            offset = int(self._pe.get_offset_from_rva(rva)) if rva else 0
            virtual = bool(int(row.struct.Flags) & 0x40)
            return Method(number, self.owner_of(number), text(row.Name), signature, virtual, offset)
        except _DAMAGE:
            return None

    @cached_property
    def bodies(self) -> tuple[tuple[int, int], ...]:
        """(offset in the file, method row) of every method with code, in order of place."""
        found = []
        for number, row in self.each("MethodDef"):
            try:
                rva = int(row.Rva or 0)
                if rva:
                    found.append((int(self._pe.get_offset_from_rva(rva)), number))
            except _DAMAGE:
                continue
        return tuple(sorted(found))

    def body(self, offset: int) -> Body:
        """The instructions of a method body; of a damaged one what could be read of it is lost, and said."""
        try:
            held = CilMethodBody(CilMethodBodyReaderBytes(self.data[offset : offset + MAX_CODE]))
        except Exception:  # dncil raises what it likes for code that is none
            return Body((), False)
        return Body(tuple(held.instructions), True)

    def string(self, token: int) -> str:
        """A constant text of the code."""
        try:
            held = self._strings.get(token & 0xFFFFFF) if self._strings is not None else None
        except _DAMAGE:
            return ""
        return text(held)

    def parameters(self, number: int, count: int) -> list[str]:
        """Names of a method's parameters, made up where they are not told."""
        names = [f"arg{position}" for position in range(count)]
        try:
            first = int(self._row("MethodDef", number).struct.ParamList_Index)
            for offset in range(count + 1):
                row = self._row("Param", first + offset)
                if 1 <= int(row.Sequence) <= count and text(row.Name):
                    names[int(row.Sequence) - 1] = text(row.Name)
        except _DAMAGE:
            pass
        return names
