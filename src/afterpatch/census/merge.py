"""One row a host: the newest reading counts, and of several of one day the least patched."""

from __future__ import annotations

from afterpatch.census.store import Store
from afterpatch.model import Notice

_DOUBLES = """
CREATE OR REPLACE TEMP TABLE doubles AS SELECT hid FROM hosts GROUP BY hid HAVING count(*) > 1"""
_RANKED = """
CREATE OR REPLACE TEMP TABLE ranked AS
SELECT h.*, coalesce(h.day, DATE '1970-01-01') AS seen, v.key + CASE WHEN h.coarse THEN (1::BIGINT << 60) ELSE 0 END AS rank,
       v.key AS key
FROM hosts h SEMI JOIN doubles USING (hid)
LEFT JOIN versions v ON v.version = h.version AND v.coarse = h.coarse"""
_ONE_EACH = """
CREATE OR REPLACE TEMP TABLE merged AS
WITH newest AS (SELECT host, max(seen) AS newest FROM ranked WHERE key IS NOT NULL GROUP BY host)
SELECT r.host, any_value(r.hid) AS hid,
       coalesce(arg_min(r.version, r.rank) FILTER (r.seen = n.newest), max(r.version)) AS version,
       coalesce(arg_min(r.coarse, r.rank) FILTER (r.seen = n.newest), false) AS coarse,
       max(r.day) AS day, max(nullif(r.country, '')) AS country, max(r.asn) AS asn, max(nullif(r.sector, '')) AS sector,
       max(nullif(r.owner, '')) AS owner, string_agg(DISTINCT nullif(r.tag, ''), ';' ORDER BY nullif(r.tag, '')) AS tag,
       bool_or(r.shell) AS shell, count(DISTINCT r.key) FILTER (r.seen = n.newest AND NOT r.coarse) AS several
FROM ranked r LEFT JOIN newest n USING (host) GROUP BY r.host"""


def merge_hosts(store: Store) -> tuple[list[Notice], bool]:
    """Leaves one row for each host in `hosts`, and says whether that took any away. Notices: hosts that show several
    builds on one day, rows without a host (each is then a host of its own)."""
    notices = []
    nameless = store.number("SELECT count(*) FROM hosts WHERE host IS NULL OR host = ''")
    if nameless:
        store.run("UPDATE hosts SET host = 'row ' || rowid, hid = hash('row ' || rowid) WHERE host IS NULL OR host = ''")
        notices.append(Notice("", "", "notice.census-no-host", nameless))
    store.run(_DOUBLES)
    changed = store.number("SELECT count(*) FROM doubles") > 0
    if changed:
        store.run(_RANKED)
        store.run(_ONE_EACH)
        several = store.number("SELECT count(*) FROM merged WHERE several > 1")
        if several:
            notices.append(Notice("", "", "notice.census-several-builds", several))
        store.run("DELETE FROM hosts WHERE hid IN (SELECT hid FROM doubles)")
        store.run("INSERT INTO hosts SELECT * EXCLUDE (several) FROM merged")
        for name in ("ranked", "merged"):
            store.run(f"DROP TABLE {name}")
    store.run("DROP TABLE doubles")
    return notices, changed
