"""From a Locator to its bytes. Nothing is unpacked to disk; every layer streams.

A small set of containers stays open per process, so that ten thousand members of one archive do not read its
directory ten thousand times.
"""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from afterpatch.evidence import limits
from afterpatch.evidence.decoders import DecodedStream, Decoder
from afterpatch.evidence.errors import TruncatedError, UnsupportedError, VanishedError
from afterpatch.evidence.inflated import random_access
from afterpatch.evidence.members import Directory, Member, decoder_of, guard, window
from afterpatch.evidence.rawbytes import FileBytes, RandomBytes, RandomReader
from afterpatch.evidence.tardir import read_tar
from afterpatch.evidence.zipdir import data_offset
from afterpatch.evidence.zipsalvage import read_zip
from afterpatch.model import EvidenceError, Locator, Step

COMPRESSIONS = ("gzip", "bzip2", "xz")


@dataclass(frozen=True, slots=True)
class Container:
    """An opened archive: its bytes and what it holds."""

    data: RandomBytes
    directory: Directory


class _Shelf:
    """The containers of this process that were used last. Evicted ones are closed when nobody reads them any more."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.items: OrderedDict[tuple[object, ...], Container] = OrderedDict()
        self.layers: OrderedDict[tuple[object, ...], RandomBytes] = OrderedDict()

    def renew(self) -> None:
        """A forked worker must not share the parent's state of decoders."""
        if self.pid != os.getpid():
            self.pid = os.getpid()
            self.items.clear()
            self.layers.clear()


_SHELF = _Shelf()


def open_container(file: str, steps: tuple[Step, ...], kind: str) -> Container:
    """The archive of this kind (zip | tar) reached by `steps`; kept open. Raises EvidenceError."""
    _SHELF.renew()
    key = (*_identity(file), steps, kind)
    found = _SHELF.items.get(key)
    if found is None:
        data = layer(file, steps)
        found = Container(data, read_zip(data) if kind == "zip" else read_tar(data))
        _SHELF.items[key] = found
        while len(_SHELF.items) > limits.MAX_OPEN_CONTAINERS:
            _SHELF.items.popitem(last=False)
    _SHELF.items.move_to_end(key)
    return found


def _identity(file: str) -> tuple[object, ...]:
    """A file that was replaced meanwhile is another file."""
    try:
        status = Path(file).stat()
    except (OSError, ValueError) as error:
        raise VanishedError(f"{file} cannot be opened: {error}") from error
    return (file, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def layer(file: str, steps: tuple[Step, ...]) -> RandomBytes:
    """Random access to what `steps` lead to."""
    key = (*_identity(file), steps)
    found = _SHELF.layers.get(key)
    if found is None:
        found = FileBytes(file) if not steps else _inner_layer(file, steps)
        _SHELF.layers[key] = found
        while len(_SHELF.layers) > limits.MAX_OPEN_CONTAINERS:
            _SHELF.layers.popitem(last=False)
    _SHELF.layers.move_to_end(key)
    return found


def _inner_layer(file: str, steps: tuple[Step, ...]) -> RandomBytes:
    outer, step = steps[:-1], steps[-1]
    if step.kind in COMPRESSIONS:
        base = layer(file, outer)
        return random_access(Decoder(step.kind, base, 0, base.size, copyable=True))
    base, member, data_at = _locate(file, steps)
    decoder = decoder_of(member, base, data_at, copyable=True)
    return window(member, base, data_at) if decoder is None else random_access(decoder)


def _locate(file: str, steps: tuple[Step, ...]) -> tuple[RandomBytes, Member, int]:
    """(archive bytes, member, offset of its data) of the last step."""
    step = steps[-1]
    if step.kind not in ("zip", "tar"):
        raise UnsupportedError(f"containers of kind {step.kind} are not supported")
    container = open_container(file, steps[:-1], step.kind)
    members = container.directory.members
    if not 0 <= step.index < len(members) or members[step.index].name != step.name:
        raise VanishedError("the archive has changed since it was listed")
    member = members[step.index]
    guard(member)
    data_at = data_offset(container.data, member) if step.kind == "zip" else member.offset
    return container.data, member, data_at


def open_locator(locator: Locator) -> BinaryIO:
    """The artifact's bytes as a read-only stream and context manager.

    Seekable for plain files and stored members, forward-only for compressed ones. Damage in the middle is raised (a
    subclass of EvidenceError) by the first read after the last good byte: read until b"" comes back.
    Raises EvidenceError with one sentence where it cannot be opened.
    """
    _SHELF.renew()
    if not locator.steps:
        file = FileBytes(locator.file)
        return cast(BinaryIO, io.BufferedReader(RandomReader(file, (file,)), limits.READ_CHUNK))
    step = locator.steps[-1]
    if step.kind in COMPRESSIONS:
        base = layer(locator.file, locator.steps[:-1])
        return cast(BinaryIO, DecodedStream(Decoder(step.kind, base, 0, base.size)))
    base, member, data_at = _locate(locator.file, locator.steps)
    decoder = decoder_of(member, base, data_at)
    if decoder is not None:
        return cast(BinaryIO, DecodedStream(decoder))
    part = window(member, base, data_at)
    if part.size < member.packed:
        return cast(BinaryIO, DecodedStream(cast(Decoder, _Cut(part, member.packed))))
    return cast(BinaryIO, io.BufferedReader(RandomReader(part), limits.READ_CHUNK))


class _Cut:
    """A stored member whose archive ends too early: what is there, then the error."""

    def __init__(self, part: RandomBytes, declared: int) -> None:
        self.part, self.declared, self.at = part, declared, 0

    def next(self, limit: int) -> bytes:
        data = self.part.read_at(self.at, limit)
        self.at += len(data)
        if not data:
            raise TruncatedError(f"{self.at} bytes instead of the declared {self.declared}")
        return data


def read_bounded(locator: Locator, limit: int) -> tuple[bytes, bool]:
    """(up to `limit` bytes, whether something is missing: beyond the limit, or cut or damaged in the evidence)."""
    parts: list[bytes] = []
    left = limit + 1
    with open_locator(locator) as stream:
        try:
            while left > 0:
                part = stream.read(min(left, limits.MIB))
                if not part:
                    break
                parts.append(part)
                left -= len(part)
        except EvidenceError:
            return b"".join(parts)[:limit], True
    data = b"".join(parts)
    return data[:limit], len(data) > limit


def local_path(locator: Locator) -> str | None:
    """The plain file on disk, None for an archive member."""
    return None if locator.steps else locator.file
