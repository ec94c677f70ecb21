"""The parts of an examination with small inputs made by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpatch.assess.backdoors import Doors
from afterpatch.assess.chains import build_chains
from afterpatch.assess.coverage import Period, covered, kind_coverage, missing_days, missing_instances, silent_times, uncovered
from afterpatch.assess.doorplaces import Places
from afterpatch.assess.findings import Hit
from afterpatch.assess.links import companions, demoted, explained, overlapped, same_hands, scanners, unrelayed
from afterpatch.assess.server import split_servers
from afterpatch.assess.tampering import tampering_findings
from afterpatch.detect.files.item import Facts, Inventory
from afterpatch.detect.plane.tally import Group, Hour, LogScan, PageUse, Sample
from afterpatch.model import Artifact, BackDoor, Coverage, Finding, Gap, Locator, Subject

START = datetime(2021, 3, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def second(moment: datetime) -> int:
    return int(moment.timestamp())


def hours(moments: Sequence[datetime], rows: int = 60) -> dict[int, Hour]:
    """Hours with rows from their first to their last minute."""
    return {second(at) // 3600: Hour(rows, second(at), second(at) + 3500) for at in moments}


def artifact(index: int, path: str, kind: str = "iis", root: str = "r", shown: str = "") -> Artifact:
    return Artifact(index, path, shown or path, Locator(f"/{index}"), kind, root, 10)


# Coverage


def test_a_dense_log_has_a_gap_after_two_silent_hours() -> None:
    every = [START + n * HOUR for n in range(48)]
    assert silent_times(hours(every)) == []
    without_one = [at for at in every if at != every[20]]
    assert silent_times(hours(without_one)) == []
    (gap,) = silent_times(hours([at for at in every if not 20 <= every.index(at) < 23]))
    assert (gap.start, gap.end) == (every[19] + timedelta(seconds=3500), every[23])


def test_a_sparse_log_has_its_own_rhythm() -> None:
    daily = [START + n * DAY for n in range(40)]
    assert silent_times(hours(daily, 2)) == []
    (gap,) = silent_times(hours([at for at in daily if not 20 <= daily.index(at) < 26], 2))
    assert gap.start.date() == daily[19].date()
    assert gap.end == daily[26]


def test_a_weekend_of_silence_is_no_gap_and_a_week_is() -> None:
    weekly = [START + n * 2.5 * DAY for n in range(10)]
    assert silent_times(hours(weekly, 1)) == []
    assert len(silent_times(hours([START, START + DAY, START + 9 * DAY], 1))) == 1


@pytest.mark.parametrize("moments", [[], [START]])
def test_nothing_and_one_hour_have_no_gaps(moments: list[datetime]) -> None:
    assert silent_times(hours(moments)) == []


def test_a_missing_day_of_a_folder_that_has_one_a_day() -> None:
    names = [f"C:\\L\\W3SVC1\\u_ex2103{day:02d}.log" for day in range(1, 11) if day != 5]
    (gap,) = missing_days([artifact(n, name) for n, name in enumerate(names)])
    assert gap == Gap(datetime(2021, 3, 5, tzinfo=UTC), datetime(2021, 3, 6, tzinfo=UTC), "missing-file")
    assert missing_days([artifact(n, name) for n, name in enumerate(names[:3])]) == []
    sparse = [f"C:\\L\\W3SVC1\\u_ex2103{day:02d}.log" for day in (1, 4, 8, 15, 22, 29)]
    assert missing_days([artifact(n, name) for n, name in enumerate(sparse)]) == []
    assert missing_days([artifact(0, "C:\\L\\u_ex219999.log"), artifact(1, "C:\\L\\u_ex210301.log")]) == []


def test_a_missing_number_of_a_series() -> None:
    folder = "D:\\E\\Logging\\HttpProxy\\Ecp"
    names = [f"{folder}\\HttpProxy_{hour}-{n}.LOG" for hour, n in ((2021030301, 3), (2021030302, 1), (2021030302, 3))]
    found = missing_instances([artifact(n, name, "httpproxy") for n, name in enumerate(names)])
    assert found == (f"{folder}\\HttpProxy_2021030302-2.LOG",), "rotation takes the lowest of the oldest hour first"


def test_all_kinds_of_lines_are_summed() -> None:
    one, other = LogScan(0), LogScan(1)
    one.lines, one.records, one.headers, one.bytes = 10, 6, 3, 100
    one.bad, one.hours = Counter({"cut": 1}), hours([START])
    other.lines, other.records, other.bytes, other.error = 5, 5, 50, "broke off"
    other.hours = hours([START + HOUR])
    coverage = kind_coverage("iis", [artifact(0, "C:\\a"), artifact(1, "C:\\b"), artifact(2, "C:\\c")], {0: one, 1: other})
    assert (coverage.files, coverage.records, coverage.bad, coverage.header_lines, coverage.lines) == (3, 11, 1, 3, 15)
    assert (coverage.bytes, coverage.unreadable) == (150, 1)
    assert (coverage.first, coverage.last) == (START, START + HOUR + timedelta(seconds=3500))


def of_time(first: datetime, last: datetime, *gaps: tuple[datetime, datetime]) -> Coverage:
    return Coverage("iis", 1, 5, 5, first, last, tuple(Gap(*gap) for gap in gaps))


def test_covered_times_are_those_without_gaps_of_any_log() -> None:
    one = of_time(START, START + 10 * DAY, (START + 2 * DAY, START + 4 * DAY))
    assert covered([one]) == [Period(START, START + 2 * DAY), Period(START + 4 * DAY, START + 10 * DAY)]
    other = of_time(START + DAY, START + 5 * DAY)
    assert covered([one, other]) == [Period(START, START + 10 * DAY)]
    assert covered([Coverage("iis", 1, 0, 0)]) == []


def test_uncovered_times() -> None:
    whole = Period(START, START + 10 * DAY)
    assert uncovered(whole, [Period(START - DAY, START + 11 * DAY)]) == []
    assert uncovered(whole, []) == [whole]
    assert uncovered(whole, [Period(START + 5 * DAY, START + 20 * DAY)]) == [Period(START, START + 5 * DAY)]
    assert uncovered(whole, [Period(START, START + DAY), Period(START + 2 * DAY, whole.end)]) == [
        Period(START + DAY, START + 2 * DAY)
    ]
    late = [Period(START + 20 * HOUR, whole.end)]
    assert uncovered(whole, late) == [], "the first day is not asked to the hour"
    assert uncovered(whole, [Period(START + 30 * HOUR, whole.end)]) == [Period(START, START + 30 * HOUR)]
    between = [Period(START, START + 5 * DAY), Period(START + 5 * DAY + 3 * HOUR, whole.end)]
    assert uncovered(whole, between) == [Period(START + 5 * DAY, START + 5 * DAY + 3 * HOUR)]


def test_less_than_a_day_can_be_uncovered() -> None:
    asked = Period(START, START + 20 * HOUR)
    assert uncovered(asked, []) == [asked]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=8))
def test_uncovered_and_covered_share_out_the_time(pieces: list[tuple[int, int]]) -> None:
    """Against a count by the day."""
    asked = Period(START, START + 60 * DAY)
    merged = covered([of_time(START + start * DAY, START + (start + length) * DAY) for start, length in pieces])
    missing = uncovered(asked, merged)
    for day in range(60):
        middle = START + day * DAY + 12 * HOUR
        seen = any(start <= day < start + length for start, length in pieces)
        lost = any(gap.start <= middle < gap.end for gap in missing)
        if seen:
            assert not lost
        elif 0 < day < 59:
            assert lost


def test_a_silence_another_log_worked_through_is_tampering() -> None:
    class Maker:
        def identity(self, detection: str, subject: Any) -> str:
            return f"{detection} {sorted(subject)}"

    gap = (START + 2 * DAY, START + 3 * DAY)
    iis, proxy = of_time(START, START + 9 * DAY, gap), of_time(START, START + 9 * DAY)
    maker: Any = Maker()
    (found,) = tampering_findings({"iis": iis, "httpproxy": proxy}, maker)
    assert (found.severity, found.detection, found.time, found.end_time) == ("medium", "log-gap", *gap)
    (silent,) = tampering_findings({"iis": iis, "httpproxy": of_time(START, START + 9 * DAY, gap)} | {}, maker)[:1]
    assert silent.severity == "low"


# Servers


def scan_of(index: int, *names: str, joins: Sequence[str] = ()) -> LogScan:
    scan = LogScan(index)
    scan.names, scan.joins = Counter(names), set(joins)
    return scan


def split(artifacts: list[Artifact], scans: list[LogScan], hints: dict[str, str] | None = None) -> Any:
    servers, notices = split_servers(artifacts, {scan.artifact: scan for scan in scans}, hints or {})
    return {server.name: [each.index for each in server.artifacts] for server in servers}, notices


def test_one_root_is_one_server_named_by_its_rows() -> None:
    found, notices = split(
        [artifact(0, "D:\\a.LOG", "httpproxy"), artifact(1, "C:\\u_ex.log")], [scan_of(0, "exch01.example.local", "EXCH01")]
    )
    assert found == {"EXCH01": [0, 1]}
    assert notices == []


def test_roots_of_one_name_are_one_server_and_the_hint_names_what_rows_do_not() -> None:
    artifacts = [
        artifact(0, "D:\\a", "httpproxy", "one"),
        artifact(1, "C:\\b", "iis", "two"),
        artifact(2, "C:\\c", "iis", "three"),
    ]
    found, _ = split(artifacts, [scan_of(0, "EXCH01")], {"two": "exch01", "three": "EXCH02"})
    assert found == {"EXCH01": [0, 1], "EXCH02": [2]}


def test_a_nameless_root_belongs_to_the_only_server() -> None:
    artifacts = [artifact(0, "D:\\a", "httpproxy", "one"), artifact(1, "C:\\b", "iis", "two")]
    assert split(artifacts, [scan_of(0, "EXCH01")])[0] == {"EXCH01": [0, 1]}
    assert split(artifacts, [])[0].keys() == {""}


def test_a_heap_is_split_by_rows_request_ids_and_folders() -> None:
    artifacts = [
        artifact(0, "a", "httpproxy", shown="heap/a"),
        artifact(1, "b", "httpproxy", shown="heap/b"),
        artifact(2, "c", "iis", shown="heap/c"),
        artifact(3, "d", "smtp", shown="heap/d"),
        artifact(4, "e", "ews", shown="heap/two/e"),
        artifact(5, "f", "smtp", shown="heap/two/f"),
    ]
    scans = [
        scan_of(0, "EXCH01", joins=["id-1"]),
        scan_of(1, "EXCH02", joins=["id-2"]),
        scan_of(2, joins=["id-2", "id-9"]),
        scan_of(3),
        scan_of(4, "EXCH02"),
        scan_of(5),
    ]
    found, notices = split(artifacts, scans)
    assert found == {"EXCH01": [0, 3], "EXCH02": [1, 2, 4, 5]}
    (notice,) = notices
    assert notice.reason.startswith("notice.server-unclear")
    assert notice.count == 1


# Chains and who is who


def hit(
    identity: str, ip: str, stage: str, at: datetime, *, chain: str = "proxylogon", role: str = "intrusion", backdoor: str = "",
    side: str = "front", method: str = "POST", page: str = "", count: int = 1,
) -> Hit:  # fmt: skip
    group = Group(identity, (("source.ip", ip),))
    values = {"server.side": side, "http.method": method, "url.page": page}
    group.add("iis", Sample(at, 0, 1, 0, "raw"), values, 0)
    finding = Finding(
        identity,
        identity,
        "t",
        "high",
        "high",
        stage,
        chain,
        time=at,
        end_time=at,
        count=count,
        subject=Subject(ip=ip, path=page),
    )
    return Hit(finding, group, role, backdoor)


def test_a_chain_is_graded_by_its_furthest_stage_and_bounded_by_its_times() -> None:
    (chain,) = build_chains(
        [hit("a", "203.0.113.1", "attempted", START), hit("b", "203.0.113.1", "wrote", START + HOUR), hit("c", "", "", START)]
    )
    assert (chain.stage, chain.first_seen, chain.last_seen) == ("wrote", START, START + HOUR)
    assert chain.sources == ("203.0.113.1",)
    assert chain.findings == ("a", "b")


def test_two_intruders_are_two_parties() -> None:
    (chain,) = build_chains([hit("a", "203.0.113.1", "wrote", START), hit("b", "203.0.113.2", "attempted", START + DAY)])
    assert [(actor.sources, actor.stage) for actor in chain.actors] == [
        (("203.0.113.1",), "wrote"),
        (("203.0.113.2",), "attempted"),
    ]


def test_addresses_that_act_as_one_are_one_party_also_where_they_meet_late() -> None:
    hits = [
        hit("a", "203.0.113.1", "attempted", START),
        hit("b", "203.0.113.2", "attempted", START + HOUR),
        hit("c", "203.0.113.3", "used", START + 2 * HOUR),
    ]
    (chain,) = build_chains(hits, [{"203.0.113.1", "203.0.113.3"}, {"203.0.113.2", "203.0.113.3"}])
    assert [actor.sources for actor in chain.actors] == [("203.0.113.1", "203.0.113.2", "203.0.113.3")]


def test_rows_without_address_join_who_acted_within_minutes() -> None:
    hits = [
        hit("a", "203.0.113.1", "attempted", START),
        hit("b", "203.0.113.2", "attempted", START + DAY),
        hit("back", "", "wrote", START + DAY + timedelta(minutes=2)),
    ]
    (chain,) = build_chains(hits)
    assert [(actor.sources, actor.stage) for actor in chain.actors] == [
        (("203.0.113.1",), "attempted"),
        (("203.0.113.2",), "wrote"),
    ]


def test_administrators_make_no_chain_and_scanners_only_probe() -> None:
    assert build_chains([hit("a", "192.0.2.1", "wrote", START, role="admin")]) == []
    (chain,) = build_chains([hit("a", "198.51.100.9", "used", START, role="scanner")])
    assert chain.stage == "probed"


def test_who_only_looks_is_a_scanner_and_who_acts_is_none() -> None:
    looking = [hit("s", "198.51.100.9", "probed", START, role="scanner")]
    look = hit("look", "198.51.100.9", "used", START, backdoor="web-shell", method="GET", page="/a.aspx")
    act = hit("act", "198.51.100.9", "succeeded", START)
    assert scanners([*looking, look]) == {"198.51.100.9"}
    assert scanners([*looking, act]) == set()
    assert scanners([*looking, hit("post", "198.51.100.9", "used", START, backdoor="web-shell", page="/a.aspx")]) == set()
    (one, other) = demoted([look, hit("x", "203.0.113.1", "used", START)], {"198.51.100.9"})
    assert (one.role, other.role) == ("scanner", "intrusion")


def test_many_names_of_others_shells_make_a_scanner_few_do_not() -> None:
    def asked(count: int) -> list[Hit]:
        return [
            hit(
                f"p{n}",
                "198.51.100.9",
                "probed",
                START,
                role="scanner",
                chain="web-shell",
                backdoor="web-shell",
                page=f"/{n}.aspx",
            )
            for n in range(count)
        ]

    assert scanners(asked(5)) == {"198.51.100.9"}
    assert scanners(asked(4)) == set()


def test_the_front_end_is_no_source() -> None:
    (found,) = unrelayed([hit("a", "10.0.0.5", "wrote", START, side="back")])
    assert found.finding.subject.ip == ""
    assert ("relayed by", "10.0.0.5") in found.finding.subject.extra
    (kept,) = unrelayed([hit("a", "203.0.113.1", "wrote", START)])
    assert kept.finding.subject.ip == "203.0.113.1"


def test_who_made_a_door_and_who_used_it_act_as_one() -> None:
    door = BackDoor("C:\\x.aspx", "web-shell", "present", first_seen=START, used_by=("203.0.113.2",))
    writer = hit("w", "203.0.113.1", "wrote", START - timedelta(minutes=1))
    assert same_hands([writer], [door]) == [{"203.0.113.1", "203.0.113.2"}]
    other = hit("w2", "203.0.113.3", "wrote", START - timedelta(minutes=2))
    assert same_hands([writer, other], [door]) == [], "two wrote at that time: nobody knows whose it is"
    alone = hit("w", "203.0.113.1", "wrote", START - 3 * DAY)
    assert same_hands([alone], [door]) == [{"203.0.113.1", "203.0.113.2"}], "nobody else wrote before"
    assert same_hands([alone, hit("w2", "203.0.113.3", "wrote", START - 2 * DAY)], [door]) == []
    assert same_hands([alone, hit("w2", "203.0.113.3", "wrote", START - timedelta(minutes=30))], [door]) == [
        {"203.0.113.3", "203.0.113.2"}
    ]
    assert same_hands([hit("w", "203.0.113.1", "wrote", START + HOUR)], [door]) == [], "it was there before"


def test_who_got_in_the_day_before_made_the_door_where_nobody_was_seen_to_write() -> None:
    door = BackDoor("C:\\x.aspx", "web-shell", "present", first_seen=START, used_by=("203.0.113.2",))
    entered = hit("e", "203.0.113.1", "succeeded", START - 20 * HOUR, chain="proxynotshell")
    assert same_hands([entered], [door]) == [{"203.0.113.1", "203.0.113.2"}]
    assert same_hands([hit("e", "203.0.113.1", "succeeded", START - 2 * DAY)], [door]) == []


# Back doors


def doors(present: Sequence[str] = (), roots: dict[str, str] | None = None) -> Doors:
    facts = Facts(install_path="D:\\Exchange\\", web_roots=roots if roots is not None else {"/": "C:\\inetpub\\wwwroot"})
    artifacts = {n: artifact(n, path, "web-file") for n, path in enumerate(present)}
    return Doors(Places(facts, Inventory.of(present)), artifacts, {n: f"{n:064d}" for n in artifacts})


def used(page: str, *clients: str, answered: bool = True) -> PageUse:
    use = PageUse(page, "front")
    for number, client in enumerate(clients):
        sample = Sample(START + number * HOUR, 0, number, 0, "raw")
        use.add("iis", sample, client, "POST", "200" if answered else "404", "agent", False)
    return use


def shell(page: str, ip: str = "203.0.113.1") -> Hit:
    return hit(f"shell {page}", ip, "used", START, backdoor="web-shell", page=page)


SHIPPED = ("C:\\inetpub\\wwwroot\\iisstart.htm", "C:\\inetpub\\wwwroot\\aspnet_client\\system_web\\4_0_30319\\x.txt")


def test_requests_and_files_meet_at_one_door() -> None:
    made = doors([*SHIPPED, "C:\\inetpub\\wwwroot\\aspnet_client\\x.aspx"])
    made.add_hit(shell("/aspnet_client/x.aspx"))
    made.add_hit(shell("/ASPNET_CLIENT/X.aspx", "203.0.113.2"))
    made.add_uses([used("/aspnet_client/x.aspx", "203.0.113.1", "203.0.113.2")])
    (door,) = made.finish()
    assert door.path == "C:\\inetpub\\wwwroot\\aspnet_client\\x.aspx"
    assert (door.state, door.used_by, door.uses) == ("present", ("203.0.113.1", "203.0.113.2"), 2)
    assert (door.first_seen, door.last_used) == (START, START + HOUR)
    assert len(door.findings) == 2


def test_a_door_whose_folder_was_collected_and_that_is_not_there_is_deleted() -> None:
    made = doors(SHIPPED)
    made.add_hit(shell("/x.aspx"))
    (door,) = made.finish()
    assert door.state == "deleted"


def test_a_door_whose_folder_was_not_collected_is_unknown() -> None:
    made = doors([])
    made.add_hit(shell("/x.aspx"))
    (door,) = made.finish()
    assert door.state == "unknown"


def test_moved_folders_are_believed_over_defaults() -> None:
    facts = Facts(install_path="D:\\Exchange\\", web_roots={"/": "E:\\web", "/app": "F:\\app"})
    made = Places(facts, Inventory.of([]))
    assert made.path_of("/x.aspx") == "E:\\web\\x.aspx"
    assert made.path_of("/app/sub/x.aspx") == "F:\\app\\sub\\x.aspx"
    assert made.url_of("F:\\app\\sub\\x.aspx") == "/app/sub/x.aspx"
    assert made.path_of("/owa/auth/x.aspx") == "D:\\Exchange\\FrontEnd\\HttpProxy\\owa\\auth\\x.aspx"


def test_weak_and_refused_use_makes_no_door() -> None:
    made = doors(SHIPPED)
    made.add_hit(hit("look", "203.0.113.1", "probed", START, backdoor="web-shell", page="/x.aspx"))
    made.add_hit(hit("none", "203.0.113.1", "used", START, page="/x.aspx"))
    assert made.finish() == []
    made.add_hit(shell("/y.aspx"))
    made.add_uses([used("/y.aspx", "203.0.113.1", answered=False)])
    (door,) = made.finish()
    assert (door.used_by, door.last_used) == ((), None)


def test_rare_pages_are_graded_by_whether_the_file_is_there() -> None:
    class Maker:
        def identity(self, detection: str, subject: Any) -> str:
            return f"{detection} {list(subject)}"

        def proofs(self, _samples: Any) -> tuple[()]:
            return ()

    maker: Any = Maker()
    page = used("/own.aspx", "203.0.113.1")
    crowd = used("/many.aspx", *(f"192.0.2.{n}" for n in range(6)))
    refused = used("/no.aspx", "203.0.113.1", answered=False)
    gone, there, unknown = doors(SHIPPED), doors([*SHIPPED, "C:\\inetpub\\wwwroot\\own.aspx"]), doors([])
    graded = {}
    for name, made in (("gone", gone), ("there", there), ("unknown", unknown)):
        (found,) = made.rare_pages([page, crowd, refused], maker)
        graded[name] = (found.severity, found.stage, [door.state for door in made.finish()])
    assert graded == {"gone": ("high", "used", ["deleted"]), "there": ("low", "", []), "unknown": ("medium", "", [])}


# What rows of a log that names nobody mean


def nameless(at: datetime) -> Hit:
    return hit("a", "", "", at, role="anomaly", page="/ecp/DDI/DDIService.svc")


def test_an_unsigned_row_beside_a_signed_in_person_is_that_persons_work() -> None:
    person = hit("p", "192.168.0.7", "", START + timedelta(seconds=20), chain="", role="admin")
    found, _ = explained([nameless(START), person])
    assert (found.finding.severity, found.role) == ("low", "admin")
    assert found.finding.benign_causes[0].startswith("msg:link.explained-by-person")
    late = hit("p", "192.168.0.7", "", START + timedelta(minutes=3), chain="", role="admin")
    assert explained([nameless(START), late])[0] == nameless(START)
    intruder = hit("i", "203.0.113.1", "attempted", START - timedelta(minutes=4))
    assert explained([nameless(START), person, intruder])[0].finding.severity == "high", "an intruder did something then"


def test_rows_that_another_way_explains_better_go_with_it() -> None:
    strong = hit("s", "203.0.113.1", "succeeded", START, chain="proxytoken")
    weak = hit("w", "203.0.113.1", "attempted", START)
    assert overlapped([strong, weak]) == {"w": "proxytoken"}
    own = hit("o", "203.0.113.1", "succeeded", START)
    assert overlapped([strong, weak, own]) == {}, "its own way says more of the same row, too"
    assert overlapped([weak, hit("x", "203.0.113.1", "attempted", START, chain="proxytoken")]) == {}


def test_what_an_intruder_looked_for_besides_goes_with_its_way_in() -> None:
    entered = hit("e", "203.0.113.1", "succeeded", START, chain="proxyshell")
    looked = hit("l", "203.0.113.1", "probed", START, chain="web-shell", role="scanner")
    other = hit("o", "198.51.100.9", "probed", START, chain="web-shell", role="scanner")
    assert companions([entered, looked, other]) == {"l": "proxyshell"}


def test_the_own_names_of_logs_are_no_marks_of_servers() -> None:
    """One log of each server, of different kinds: their names part them, and say nothing of others of such names."""
    artifacts = [
        artifact(0, "a", "httpproxy", shown="heap/HttpProxy_2021030300-1.LOG"),
        artifact(1, "b", "ecp-server", shown="heap/ECPServer20210303-2.LOG"),
        artifact(2, "c", "oab-generator", shown="heap/oabgen20210303-1.LOG"),
    ]
    _, notices = split(artifacts, [scan_of(0, "EXCH01"), scan_of(1, "EXCH02"), scan_of(2)])
    assert [notice.path for notice in notices] == ["heap/oabgen20210303-1.LOG"]
    marked = [
        artifact(number, str(number), kind, shown=f"heap/{mark}_{kind}.log")
        for number, (mark, kind) in enumerate([("a", "ews"), ("a", "cmdlet"), ("b", "ews"), ("b", "cmdlet"), ("b", "smtp")])
    ]
    scans = [scan_of(number, name) for number, name in enumerate(["EXCH01", "EXCH01", "EXCH02", "EXCH02"])]
    assert split(marked, [*scans, scan_of(4)]) == ({"EXCH01": [0, 1], "EXCH02": [2, 3, 4]}, [])
