"""One row a host: the newest reading counts, and of several of one day the least patched.

Hosts that are there once (most) stay where they are. The others are found by sorting the hashes of all hosts, taken out of
their pieces, and put together by the database."""

from __future__ import annotations

import numpy as np

from afterpatch.census.columns.encode import Words
from afterpatch.census.columns.pieces import Piece, split
from afterpatch.census.store import Store
from afterpatch.model import Notice

_AT_ONCE = 1 << 25  # hashes sorted at once: 256 MiB
_RANKED = """
CREATE OR REPLACE TEMP TABLE ranked AS
SELECT h.*, lower(h.host) AS name, v.key + CASE WHEN h.coarse THEN (1::BIGINT << 60) ELSE 0 END AS rank, v.key AS key
FROM doubles h LEFT JOIN versions v ON v.version = h.version AND v.coarse = h.coarse"""
_ONE_EACH = """
CREATE OR REPLACE TEMP TABLE merged AS
WITH newest AS (SELECT name, max(day) AS newest FROM ranked WHERE key IS NOT NULL GROUP BY name)
SELECT min(r.host) AS host, min(r.hid) AS hid,
       coalesce(arg_min(r.version, r.rank) FILTER (r.day = n.newest), max(r.version)) AS version,
       coalesce(arg_min(r.coarse, r.rank) FILTER (r.day = n.newest), false) AS coarse,
       max(r.day) AS day, max(r.country) AS country, max(r.asn) AS asn, max(r.sector) AS sector, max(r.owner) AS owner,
       string_agg(DISTINCT nullif(r.tag, ''), ';' ORDER BY nullif(r.tag, '')) AS tag, bool_or(r.shell) AS shell,
       max(r.place) AS place, max(r.net) AS net,
       count(DISTINCT r.key) FILTER (r.day = n.newest AND NOT r.coarse) AS several
FROM ranked r LEFT JOIN newest n USING (name) GROUP BY r.name"""


def merge_hosts(store: Store) -> tuple[list[Notice], bool]:
    """Leaves one row for each host in the pieces, and says whether that took any away. Notice: hosts that show several
    builds on one day."""
    repeated = repeated_hosts(store.pieces)
    if not len(repeated):
        return [], False
    kept: list[Piece] = []
    doubles: list[Piece] = []
    for piece in store.pieces:
        away = np.isin(piece.hids(), repeated)
        if not away.any():
            kept.append(piece)
            continue
        doubles.append(split(piece, away, "doubles"))
        if not away.all():
            kept.append(split(piece, ~away, "kept"))
        piece.path.unlink()
    store.pieces = kept
    store.show("doubles", doubles)
    store.run(_RANKED)
    store.run(_ONE_EACH)
    several = store.number("SELECT count(*) FROM merged WHERE several > 1")
    store.pieces += store.as_pieces("merged")
    store.run("DROP TABLE ranked")
    store.run("DROP TABLE merged")
    for piece in doubles:
        piece.path.unlink()
    store.show_hosts()
    return [Notice("", "", "notice.census-several-builds", several)] if several else [], True


def repeated_hosts(pieces: list[Piece]) -> Words:
    """The hashes that more than one row has, sorted. Many rows are sorted part by part."""
    rows = sum(piece.rows for piece in pieces)
    parts = -(-rows // _AT_ONCE) or 1
    found = []
    for part in range(parts):
        hids = [_of_part(piece.hids(), part, parts) for piece in pieces]
        ordered = np.sort(np.concatenate(hids)) if hids else np.empty(0, np.uint64)
        found.append(np.unique(ordered[1:][ordered[1:] == ordered[:-1]]))
    joined = np.sort(np.concatenate(found))
    hosts: Words = joined[joined != 0]
    return hosts


def _of_part(hids: Words, part: int, parts: int) -> Words:
    chosen: Words = hids if parts == 1 else hids[(hids >> np.uint64(1)) % np.uint64(parts) == np.uint64(part)]
    return chosen
