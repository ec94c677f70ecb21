"""Lists what was handed in: folders, archives, archives in archives. Reads heads, writes nothing, follows nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from afterpatch.evidence import containers, limits
from afterpatch.evidence.decoders import Decoder
from afterpatch.evidence.entry import Entry, NoticeBook, Scope, is_odd, printable, split_name
from afterpatch.evidence.errors import EncryptedError, VanishedError, reason_of
from afterpatch.evidence.members import Member, decoder_of, unix_time, window
from afterpatch.evidence.opening import Container, layer, open_container
from afterpatch.evidence.rawbytes import FileBytes, RandomBytes
from afterpatch.evidence.sniff import extension_of, quotes_log_lines, sniff
from afterpatch.evidence.table import OTHER, Table
from afterpatch.evidence.zipdir import data_offset
from afterpatch.model import EvidenceError, Locator, Step

Reader = Callable[[int], bytes]
PROSE = (".txt", ".md")
MAX_PROSE_BYTES = 16 * limits.MIB


@dataclass(slots=True)
class Found:
    """A file on its way to becoming an entry. `reader` gives its first bytes where it is no plain file."""

    scope: Scope
    parts: tuple[str, ...]
    shown: str
    locator: Locator
    size: int
    modified: datetime | None = None
    created: datetime | None = None
    partial: bool = False
    reader: Reader | None = None


@dataclass(slots=True)
class Listing:
    """Grows by `folder`, `found` and `open`; `entries` are in the order found."""

    table: Table
    book: NoticeBook
    entries: list[Entry] = field(default_factory=list)
    locked: set[Scope] = field(default_factory=set)  # hold an encrypted data.zip

    # ---- folders -------------------------------------------------------------------------------------------------

    def folder(self, path: str, scope: Scope) -> None:
        """Everything below a folder."""
        pending: list[tuple[str, tuple[str, ...]]] = [(path, ())]
        while pending:
            here, parts = pending.pop()
            if len(parts) > limits.MAX_FOLDER_DEPTH:
                self.book.add(self._shown(scope, parts), "", f"notice.too-deep: {limits.MAX_FOLDER_DEPTH}")
                continue
            for item in self._scan(here, scope, parts):
                name = printable(item.name)
                deeper = (*parts, *(split_name(name) or (name,)))
                if _is_folder(item):
                    pending.append((item.path, deeper))
                elif len(self.entries) >= limits.MAX_FILES:
                    self.book.add(scope.shown, "", f"notice.too-many-files: {limits.MAX_FILES}")
                    return
                else:
                    self._item(item, scope, deeper)

    def _scan(self, here: str, scope: Scope, parts: tuple[str, ...]) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(here) as found:
                return sorted(found, key=lambda item: item.name)
        except OSError as error:
            self.book.add(self._shown(scope, parts), "", f"notice.unreadable: {error.strerror}", group=scope.shown)
            return []

    def _item(self, item: os.DirEntry[str], scope: Scope, parts: tuple[str, ...]) -> None:
        shown = self._shown(scope, parts)
        try:
            if item.is_symlink() or _is_reparse(item):
                self.book.add(shown, "", "notice.link-not-followed", group=scope.shown)
                return
            status = item.stat(follow_symlinks=False)
        except OSError as error:
            self.book.add(shown, "", f"notice.unreadable: {error.strerror}", group=scope.shown)
            return
        if not stat.S_ISREG(status.st_mode):
            self.book.add(shown, "", "notice.not-a-plain-file", group=scope.shown)
            return
        found = Found(scope, parts, shown, Locator(item.path), status.st_size, unix_time(status.st_mtime))
        if is_odd(item.name, parts[-1:]):
            self.book.add(shown, "", "notice.odd-name", group=scope.shown)
        self.found(found, 0)

    @staticmethod
    def _shown(scope: Scope, parts: tuple[str, ...]) -> str:
        mark = "!" if scope.kind == "archive" else "/"
        return printable(scope.shown.rstrip("/") + mark + "/".join(parts) if parts else scope.shown)

    # ---- one file ------------------------------------------------------------------------------------------------

    def found(self, item: Found, depth: int) -> None:
        """A plain file or an archive member: a container to open, or an artifact."""
        suffix, layers = containers.suffix_kind(item.parts[-1])
        folder = "\\".join(item.parts[:-1])
        if layers and self._may_open(folder, item.parts[-1], suffix):
            if depth >= limits.MAX_NESTING:
                self.book.add(item.shown, "", f"notice.nested-too-deep: {limits.MAX_NESTING}")
            elif self._container(item, suffix, depth):
                return
        elif item.parts[-1].lower().endswith(containers.REFUSED_SUFFIXES) and item.size >= limits.KIB:
            self._refuse(item)
        self._artifact(item, folder)

    def _may_open(self, folder: str, name: str, suffix: str) -> bool:
        """Not what lies in a web root or a staging place: there the archive itself is the trace."""
        kind = self.table.paths.kind(folder, name)
        inner = self.table.paths.kind(folder, name[: -len(suffix)])
        return kind == OTHER or kind in self.table.text_logs or inner in self.table.text_logs

    def _refuse(self, item: Found) -> None:
        try:
            kind = containers.refused_kind(self._head(item, 64))
        except EvidenceError:
            return
        if kind:
            self.book.add(item.shown, "", f"notice.container-not-supported: {kind}", group=item.scope.shown)

    def _artifact(self, item: Found, folder: str) -> None:
        name = item.parts[-1]
        sniffed = OTHER
        try:
            if self._should_sniff(folder, name, item.size):
                head = self._head(item, limits.HEAD_BYTES)
                sniffed = sniff(self.table, name, head)
                if sniffed == OTHER and self._quotes(item, folder, name, head):
                    sniffed = "log-excerpt"
        except VanishedError as error:
            self.book.add(item.shown, "", f"{reason_of(error)}: {error}", group=item.scope.shown)
            return
        except EvidenceError as error:
            self.book.add(item.shown, "", reason_of(error), group=item.scope.shown)
        self.entries.append(
            Entry(item.scope, item.parts, item.shown, item.locator, item.size, item.modified, item.created, sniffed,
                  item.partial)
        )  # fmt: skip

    def _should_sniff(self, folder: str, name: str, size: int) -> bool:
        suffix = extension_of(name)
        if size == 0 or suffix in self.table.never_sniff:
            return False
        return suffix in self.table.sniff_extensions or self.table.paths.kind(folder, name) == OTHER

    def _quotes(self, item: Found, folder: str, name: str, head: bytes) -> bool:
        suffix = extension_of(name)
        if suffix not in self.table.excerpt_extensions or self.table.paths.kind(folder, name) != OTHER:
            return False
        if suffix in PROSE and limits.HEAD_BYTES < item.size <= MAX_PROSE_BYTES:
            head = self._head(item, limits.EXCERPT_BYTES)
        return quotes_log_lines(self.table, head)

    @staticmethod
    def _head(item: Found, count: int) -> bytes:
        if item.reader is not None:
            return item.reader(count)
        file = FileBytes(item.locator.file)
        try:
            return file.read_at(0, count)
        finally:
            file.close()

    # ---- containers ----------------------------------------------------------------------------------------------

    def _container(self, item: Found, suffix: str, depth: int) -> bool:
        """Opens a container by its true kind; False where it turns out to be none (then it is a plain artifact)."""
        try:
            kind = containers.magic_kind(self._head(item, 512)) or ("zip" if suffix == ".zip" and item.size else "")
        except EvidenceError as error:
            self.book.add(item.shown, "", reason_of(error), group=item.scope.shown)
            return False
        if not kind:
            self.book.add(item.shown, "", f"notice.not-an-archive: {suffix}", group=item.scope.shown)
            return False
        return self.open(item, kind, suffix, depth)

    def open(self, item: Found, kind: str, suffix: str, depth: int) -> bool:
        """Lists a container of a known kind. False (and a notice) where nothing in it can be listed."""
        try:
            if kind in containers.COMPRESSED:
                return self._compressed(item, kind, suffix, depth)
            self._archive(item, open_container(item.locator.file, item.locator.steps, kind), kind, suffix, depth)
        except EvidenceError as error:
            self.book.add(item.shown, "", f"{reason_of(error)}: {error}")
            return False
        return True

    def _compressed(self, item: Found, kind: str, suffix: str, depth: int) -> bool:
        """A single compressed file, or a tar below the compression."""
        locator = Locator(item.locator.file, (*item.locator.steps, Step(kind)))
        base = layer(item.locator.file, item.locator.steps)
        head = _decoded_head(Decoder(kind, base, 0, base.size), 512)
        if containers.magic_kind(head) == "tar":
            tar = Found(item.scope, item.parts, item.shown, locator, 0, item.modified)
            self._archive(tar, open_container(locator.file, locator.steps, "tar"), "tar", suffix, depth)
            return True
        name = item.parts[-1][: -len(suffix)] if suffix and suffix not in (".tgz", ".txz", ".tbz2") else item.parts[-1]
        inner = Found(
            item.scope, (*item.parts[:-1], name or item.parts[-1]), item.shown, locator,
            _plain_size(kind, base), item.modified, None, item.partial,
            lambda count: _decoded_head(Decoder(kind, base, 0, base.size), count),
        )  # fmt: skip
        if containers.suffix_kind(name)[1] and depth + 1 < limits.MAX_NESTING:
            self.found(inner, depth + 1)
        else:
            self._artifact(inner, "\\".join(inner.parts[:-1]))
        return True

    def _archive(self, item: Found, container: Container, kind: str, suffix: str, depth: int) -> None:
        scope, prefix = self._scope_of(item, suffix, depth)
        if scope.parent is item.scope:
            self.entries.append(
                Entry(item.scope, item.parts, item.shown, item.locator, item.size, item.modified, item.created, OTHER,
                      item.partial, scope)
            )  # fmt: skip
        scope.salvaged = scope.salvaged or container.directory.salvaged
        for where, reason in container.directory.problems:
            self.book.add(item.shown, where, reason)
        for member in container.directory.members:
            self._member(item, scope, prefix, container, member, kind, depth)

    def _scope_of(self, item: Found, suffix: str, depth: int) -> tuple[Scope, tuple[str, ...]]:
        """The archive handed in is its scope; one of rotated logs belongs to its folder; another is a scope inside."""
        if depth == 0 and item.scope.kind in ("archive", "file"):
            item.scope.kind, item.scope.context = "archive", ()
            return item.scope, ()
        folder, name = "\\".join(item.parts[:-1]), item.parts[-1]
        stem = name[: -len(suffix)] if suffix else name
        rotated = self.table.paths.kind(folder, f"{stem}.log") in self.table.text_logs
        if rotated or stem.lower().endswith(".log"):
            return item.scope, item.parts[:-1]
        return Scope(item.shown, "archive", stem, (), item.scope, item.parts), ()

    def _member(
        self, item: Found, scope: Scope, prefix: tuple[str, ...], container: Container, member: Member, kind: str,
        depth: int,
    ) -> None:  # fmt: skip
        if member.type == "folder":
            return
        shown = printable(f"{item.shown}!{member.name}")
        refusal = {"link": "notice.link-not-followed", "device": "notice.not-a-plain-file"}.get(member.type)
        refusal = refusal or member.problem
        if member.problem == EncryptedError.reason and "data.zip" in (item.parts[-1].lower(), member.name.lower()):
            self.locked.add(item.scope)
        if refusal:
            self.book.add(shown, "", refusal, group=item.shown)
            return
        parts = split_name(printable(member.name))
        if is_odd(member.name, parts):
            self.book.add(shown, "", "notice.odd-name", group=item.shown)
        if not parts:
            return
        if member.encoding == "stored" and member.size not in (-1, member.packed):
            self.book.add(shown, "", "notice.lying-size", group=item.shown)
        locator = Locator(item.locator.file, (*item.locator.steps, Step(kind, member.name, member.index)))
        size = member.size if member.size >= 0 else member.packed
        reader = _member_reader(container.data, member, kind)
        found = Found(
            scope, prefix + parts, shown, locator, size, member.modified, member.created,
            member.partial or container.directory.salvaged, reader,
        )  # fmt: skip
        self.found(found, depth + 1)


def _is_folder(item: os.DirEntry[str]) -> bool:
    """A real folder, no link to one. What cannot be asked is treated as a file, which names the error."""
    try:
        return item.is_dir(follow_symlinks=False) and not _is_reparse(item)
    except OSError:
        return False


def _is_reparse(item: os.DirEntry[str]) -> bool:
    """A junction or another reparse point of Windows."""
    if os.name != "nt":
        return False
    attributes = getattr(item.stat(follow_symlinks=False), "st_file_attributes", 0)
    return bool(attributes & getattr(stat, "FILE_ATTRIBUTE_REPARSE_POINT", 0x400))


def _decoded_head(decoder: Decoder, count: int) -> bytes:
    """The first bytes of compressed data; what there is, where it breaks off."""
    parts: list[bytes] = []
    have = 0
    try:
        while have < count and (part := decoder.next(count)):
            parts.append(part)
            have += len(part)
    except EvidenceError:
        if not parts:
            raise
    return b"".join(parts)[:count]


def _member_reader(data: RandomBytes, member: Member, kind: str) -> Reader:
    def read(count: int) -> bytes:
        data_at = data_offset(data, member) if kind == "zip" else member.offset
        decoder = decoder_of(member, data, data_at)
        return window(member, data, data_at).read_at(0, count) if decoder is None else _decoded_head(decoder, count)

    return read


def _plain_size(kind: str, base: RandomBytes) -> int:
    """The expanded size a gzip trailer tells (modulo 2**32), else the packed size."""
    if kind == "gzip" and base.size >= 18:
        size = int.from_bytes(base.read_at(base.size - 4, 4), "little")
        if base.size // 2 <= size <= base.size * limits.MAX_RATIO:
            return size
    return base.size
