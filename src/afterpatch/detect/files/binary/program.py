"""What a program file says of itself: exports, imports, version, signatures. `pefile` reads the headers; nothing runs."""

from __future__ import annotations

import struct
from functools import cached_property
from typing import Any

import pefile

from afterpatch.detect.files.binary.authenticode import Authenticode, check_authenticode
from afterpatch.detect.files.binary.clr import NotReadable
from afterpatch.detect.files.binary.strongname import Layout

MAX_SYMBOLS = 2000
_EXPORT, _IMPORT, _RESOURCE, _SECURITY, _CLI = 0, 1, 2, 4, 14
_DAMAGE = (pefile.PEFormatError, ValueError, LookupError, TypeError, AttributeError, OverflowError, struct.error,
    RecursionError, AssertionError, MemoryError)  # fmt: skip


class Program:
    """A program or library. `whole` False: `data` is only its beginning, so that signatures cannot be checked. Raises
    NotReadable."""

    def __init__(self, data: bytes, *, whole: bool = True) -> None:
        self._data, self._whole = data, whole
        try:
            self._pe: Any = pefile.PE(data=data, fast_load=True, max_symbol_exports=MAX_SYMBOLS)
        except _DAMAGE as error:
            raise NotReadable(f"not a readable program: {type(error).__name__}") from None

    def _directory(self, number: int) -> tuple[int, int]:
        """(address, size) of a data directory, zeros where it is not."""
        held = self._pe.OPTIONAL_HEADER.DATA_DIRECTORY
        return (held[number].VirtualAddress, held[number].Size) if number < len(held) else (0, 0)

    def _parsed(self, number: int, attribute: str) -> Any:
        try:
            self._pe.parse_data_directories(directories=[number])
        except _DAMAGE:
            return None
        return getattr(self._pe, attribute, None)

    @property
    def managed(self) -> bool:
        """Whether it is a .NET assembly."""
        return bool(self._directory(_CLI)[0])

    @property
    def wide(self) -> bool:
        """Whether it is of 64 bits."""
        return int(self._pe.OPTIONAL_HEADER.Magic) == 0x20B

    @cached_property
    def exports(self) -> tuple[str, ...]:
        """Names of the functions it offers."""
        held = self._parsed(_EXPORT, "DIRECTORY_ENTRY_EXPORT")
        names = (symbol.name for symbol in getattr(held, "symbols", ())[:MAX_SYMBOLS])
        return tuple(name.decode("latin-1") for name in names if name)

    @cached_property
    def imports(self) -> tuple[tuple[str, str], ...]:
        """(library, function) it uses, lower case library."""
        found = []
        for entry in self._parsed(_IMPORT, "DIRECTORY_ENTRY_IMPORT") or ():
            library = (entry.dll or b"").decode("latin-1").lower()
            found += [(library, symbol.name.decode("latin-1")) for symbol in entry.imports if symbol.name]
            if len(found) > MAX_SYMBOLS:
                break
        return tuple(found[:MAX_SYMBOLS])

    @cached_property
    def version(self) -> dict[str, str]:
        """The strings of its version resource: CompanyName, OriginalFilename ..."""
        if self._directory(_RESOURCE)[1] > 16 << 20:
            return {}
        held = self._parsed(_RESOURCE, "FileInfo") or []
        found: dict[str, str] = {}
        try:
            for group in held:
                for entry in group:
                    for table in getattr(entry, "StringTable", ()):
                        for key, value in table.entries.items():
                            found.setdefault(key.decode("utf-8", "replace")[:80], value.decode("utf-8", "replace")[:300])
        except _DAMAGE:
            return found
        return found

    @cached_property
    def signature(self) -> Authenticode | None:
        """The Authenticode signature; None where the file is not here as a whole."""
        if not self._whole:
            return None
        return check_authenticode(self._data, self._header, self.wide, self._directory(_SECURITY))

    @property
    def _header(self) -> int:
        return int(self._pe.DOS_HEADER.e_lfanew)

    def layout(self) -> Layout | None:
        """Where a strong name lies and what it covers; None for what has none or is not here as a whole."""
        address, size = self._directory(_CLI)
        if not self._whole or not address or size < 72:
            return None
        try:
            cli = self._pe.get_offset_from_rva(address)
            place, extent = struct.unpack_from("<II", self._data, cli + 32)
            start = self._pe.get_offset_from_rva(place) if place else 0
        except _DAMAGE:
            return None
        sections = tuple((int(one.PointerToRawData), int(one.SizeOfRawData)) for one in self._pe.sections[:96])
        return Layout(self._header, self.wide, sections, 40 * len(self._pe.sections), (int(start), int(extent)))
