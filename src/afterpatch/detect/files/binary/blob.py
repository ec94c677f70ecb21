"""Signatures of .NET members: how many arguments a call takes, of which types, and whether it gives something back.

Source: ECMA-335, II.23.2 (blobs and signatures).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

HAS_THIS, EXPLICIT_THIS, GENERIC = 0x20, 0x40, 0x10
MAX_ARGUMENTS, MAX_DEPTH = 256, 24
_PRIMITIVES = {
    0x01: "void", 0x02: "bool", 0x03: "char", 0x04: "sbyte", 0x05: "byte", 0x06: "short", 0x07: "ushort", 0x08: "int",
    0x09: "uint", 0x0A: "long", 0x0B: "ulong", 0x0C: "float", 0x0D: "double", 0x0E: "string", 0x16: "typedreference",
    0x18: "intptr", 0x19: "uintptr", 0x1C: "object",
}  # fmt: skip
TypeNames = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Signature:
    """A method's signature. Type names are short and in lower case; `result` is "void" where nothing is given back."""

    instance: bool
    result: str
    arguments: tuple[str, ...]


class _Reader:
    def __init__(self, data: bytes, names: TypeNames) -> None:
        self._data, self._at, self._names = data, 0, names

    def byte(self) -> int:
        if self._at >= len(self._data):
            raise ValueError("signature ends early")
        self._at += 1
        return self._data[self._at - 1]

    def number(self) -> int:
        """A compressed unsigned number (II.23.2): one, two or four bytes."""
        first = self.byte()
        if first < 0x80:
            return first
        if first < 0xC0:
            return (first & 0x3F) << 8 | self.byte()
        return (first & 0x1F) << 24 | self.byte() << 16 | self.byte() << 8 | self.byte()

    def token(self) -> int:
        """TypeDefOrRefOrSpec: the table in the two low bits."""
        coded = self.number()
        table = (0x02, 0x01, 0x1B)[min(coded & 3, 2)]
        return table << 24 | coded >> 2

    def type(self, depth: int = 0) -> str:
        """One type, as its short name."""
        if depth > MAX_DEPTH:
            raise ValueError("signature nested too deep")
        kind = self.byte()
        if kind in _PRIMITIVES:
            return _PRIMITIVES[kind]
        if kind in (0x0F, 0x10, 0x45):  # pointer, by reference, pinned
            return self.type(depth + 1)
        if kind in (0x11, 0x12):
            return self._names(self.token())
        if kind in (0x13, 0x1E):
            self.number()
            return "object"
        if kind == 0x15:
            return self._generic(depth)
        if kind == 0x1D:
            return self.type(depth + 1) + "[]"
        if kind == 0x14:
            return self._array(depth)
        if kind in (0x1F, 0x20):
            self.token()
            return self.type(depth + 1)
        if kind == 0x1B:
            self.method()
            return "intptr"
        if kind == 0x41:  # varargs begin here
            return self.type(depth + 1)
        raise ValueError(f"unknown element type {kind:#x}")

    def _generic(self, depth: int) -> str:
        self.byte()
        name = self._names(self.token())
        for _ in range(min(self.number(), MAX_ARGUMENTS)):
            self.type(depth + 1)
        return name

    def _array(self, depth: int) -> str:
        element = self.type(depth + 1)
        self.number()
        for _ in range(2):
            for _ in range(min(self.number(), MAX_ARGUMENTS)):
                self.number()
        return element + "[]"

    def method(self) -> Signature:
        convention = self.byte()
        if convention & 0x0F == 0x06:  # a field
            return Signature(False, self.type(), ())
        if convention & GENERIC:
            self.number()
        count = self.number()
        if count > MAX_ARGUMENTS:
            raise ValueError("too many arguments")
        result = self.type()
        arguments = tuple(self.type() for _ in range(count))
        return Signature(bool(convention & HAS_THIS) and not convention & EXPLICIT_THIS, result, arguments)

    def locals(self) -> tuple[str, ...]:
        """A LocalVarSig."""
        if self.byte() != 0x07:
            raise ValueError("not local variables")
        return tuple(self.type() for _ in range(min(self.number(), 4096)))


def read_signature(data: bytes, names: TypeNames) -> Signature:
    """A method's (or field's) signature; `names` gives the short name of a type token. Raises ValueError where it is
    damaged."""
    return _Reader(data, names).method()


def read_type(data: bytes, names: TypeNames) -> str:
    """The short name of a TypeSpec. Raises ValueError where it is damaged."""
    return _Reader(data, names).type()
