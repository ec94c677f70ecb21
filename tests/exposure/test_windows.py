"""Build histories and windows of exposure: installation, upgrade, late update, mitigation, contradiction, nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpatch.exposure import MitigationState, Reading, build_history, exposure_of, exposures
from afterpatch.exposure.history import set_aside
from afterpatch.exposure.readings import (
    from_baseline,
    from_columns,
    from_locations,
    from_owa_path,
    from_setup,
    from_update,
    installed_at,
    reading,
)
from afterpatch.knowledge import builds, vulnerabilities
from afterpatch.knowledge.builds import Build
from afterpatch.parsers.setuplog import SetupRun

LOGON = vulnerabilities.vulnerabilities()["CVE-2021-26855"]
RELAY = vulnerabilities.vulnerabilities()["CVE-2024-21410"]
CU18_BARE, CU18_MAR, CU19_BARE, CU19_MAR, CU20 = "15.1.2106.2", "15.1.2106.13", "15.1.2176.2", "15.1.2176.9", "15.1.2242.4"
END = datetime(2021, 6, 1, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def log(day: str, build: str, path: str = "HttpProxy.LOG") -> Reading:
    found = reading(build, at(day), "log-header", path)
    assert found is not None
    return found


def setup(day: str, build: str) -> Reading:
    found = reading(build, at(day), "setup", "ExchangeSetup.log")
    assert found is not None
    return found


def spans(exposure):
    return [
        (one.state, one.start and one.start.date().isoformat(), one.end and one.end.date().isoformat())
        for one in exposure.windows
    ]


def run(day: str, build: str, mode: str, installed: str = "", *, failed: bool = False) -> SetupRun:
    moment = at(day)
    return SetupRun(1, moment, moment, moment, failed, "", build, "", mode, (), "", "", installed, "", "", "", (), ())


def test_installed_open_and_closed_by_a_late_update():
    history = build_history(
        [setup("2021-02-21", CU19_BARE), log("2021-03-10", CU19_BARE), log("2021-04-20", CU19_MAR)], at("2021-02-21")
    )
    found = exposure_of(LOGON, history, attempts=[at("2021-03-19T08:00"), at("2021-03-20")], evidence_end=END)
    assert spans(found) == [("open", "2021-02-21", "2021-04-20"), ("closed", "2021-04-20", None)]
    window = found.windows[0]
    assert (window.start_basis, window.end_basis, window.last_open) == ("installation", "build", at("2021-03-10"))
    figures = found.figures
    assert (figures.days, figures.before_patch_days, figures.zero_day_days, figures.attempt_day) == (58, 9, 9, 27)
    assert (figures.mass_days, figures.patch_delay_days, figures.attempt_state, figures.at_least) == (53, 49, "open", False)
    assert "msg:exposure.open-days|days=58|before=9" in found.messages
    assert any(text.startswith("msg:exposure.first-attempt|day=27|") for text in found.messages)
    model = found.to_model()
    assert (model.state, model.open_from, model.open_until) == ("closed", at("2021-02-21"), at("2021-04-20"))


def test_first_reading_opens_where_the_installation_is_not_known():
    found = exposure_of(LOGON, build_history([log("2021-02-27", CU19_BARE), log("2021-03-05", CU19_MAR)]), evidence_end=END)
    assert spans(found) == [("unknown", None, "2021-02-27"), ("open", "2021-02-27", "2021-03-05"), ("closed", "2021-03-05", None)]
    assert found.figures.at_least
    assert "msg:exposure.open-days-at-least|days=6|before=3" in found.messages


def test_an_upgrade_to_a_cumulative_update_with_the_fix_closes():
    history = build_history([log("2021-02-01", CU18_BARE), setup("2021-03-20", CU20), log("2021-03-21", CU20)])
    found = exposure_of(LOGON, history, evidence_end=END)
    assert spans(found)[1:] == [("open", "2021-02-01", "2021-03-20"), ("closed", "2021-03-20", None)]


def test_an_upgrade_to_a_cumulative_update_without_its_security_update_opens_again():
    history = build_history(
        [log("2021-03-05", CU18_MAR), setup("2021-03-12", CU19_BARE), log("2021-03-13", CU19_BARE), log("2021-03-20", CU19_MAR)]
    )
    found = exposure_of(LOGON, history, evidence_end=END)
    assert [one[0] for one in spans(found)] == ["unknown", "closed", "open", "closed"]
    assert spans(found)[2] == ("open", "2021-03-12", "2021-03-20")
    assert [one.kind for one in history.contradictions] == ["fixes-lost"]
    assert "CVE-2021-26855" in history.contradictions[0].cves
    assert history.contradictions[0].text.startswith(
        "msg:exposure.contradiction.fixes-lost|earlier=15.1.2106.13|later=15.1.2176.2|"
    )


def test_a_restored_backup_is_shown_and_the_time_between_is_unknown():
    history = build_history([log("2021-03-05", CU19_MAR), log("2021-03-20", CU19_BARE), log("2021-04-02", CU19_MAR)])
    found = exposure_of(LOGON, history, evidence_end=END)
    assert spans(found) == [("unknown", None, "2021-03-20"), ("open", "2021-03-20", "2021-04-02"), ("closed", "2021-04-02", None)]
    assert [one.kind for one in history.contradictions] == ["went-back"]


def test_two_builds_side_by_side_are_shown_and_the_worse_counts():
    history = build_history(
        [log("2021-03-05T10:00", CU19_MAR, "a"), log("2021-03-05T10:00", CU19_BARE, "b"), log("2021-03-05T11:00", CU19_BARE, "b")]
    )
    assert [one.kind for one in history.contradictions] == ["side-by-side"]
    assert exposure_of(LOGON, history).state == "open"


def test_readings_of_the_cumulative_update_never_prove_a_missing_update():
    path = from_owa_path("/owa/auth/15.1.2176/themes/x.css", at("2021-03-10"), "u_ex.log")
    assert path is not None
    assert path.precision == "cu"
    found = exposure_of(LOGON, build_history([path]), evidence_end=END)
    assert found.state == "unknown"
    assert not found.open_windows
    # Before the first update of the branch came out nothing could be installed: that much is certain.
    early = from_owa_path("/owa/auth/15.1.2176/themes/x.css", at("2021-02-10"), "u_ex.log")
    found = exposure_of(LOGON, build_history([early, path]), evidence_end=END)
    assert spans(found) == [
        ("unknown", None, "2021-02-10"),
        ("open", "2021-02-10", "2021-03-02"),
        ("unknown", "2021-03-02", None),
    ]


def test_coarse_readings_do_not_unsettle_exact_ones():
    path = from_owa_path("/owa/auth/15.1.2176/x", at("2021-05-10"), "u_ex.log")
    old = from_owa_path("/owa/auth/15.1.2106/x", at("2021-05-11"), "u_ex.log")
    history = build_history([log("2021-05-01", CU19_MAR), path, old])
    assert exposure_of(LOGON, history).state == "closed"
    assert history.contradictions == ()
    assert str(history.latest.build) == CU19_MAR


def test_a_coarse_reading_of_another_branch_is_shown():
    display = reading("Version 15.1 (Build 32176.2)", at("2021-05-10"), "display-version")
    history = build_history([log("2021-05-01", CU18_MAR), display])
    assert [one.kind for one in history.contradictions] == ["branch"]
    assert exposure_of(LOGON, history).state == "unknown"
    assert history.latest == display


def test_no_reading_is_unknown_and_never_closed():
    history = build_history([])
    for one in exposures(history, evidence_end=END):
        assert one.state == "unknown"
        assert one.basis == ("basis.no-reading",)
        assert [window.state for window in one.windows] == ["unknown"]
        assert one.messages == ()


def test_readings_before_the_installation_are_a_contradiction():
    history = build_history([log("2021-01-01", CU19_BARE)], at("2021-03-01"))
    assert [one.kind for one in history.contradictions] == ["before-installation"]
    assert history.installed is None


def guard(since: str | None, state: str = "in-place") -> MitigationState:
    return MitigationState(
        "proxylogon-cookie", state, ("CVE-2021-26855",), (), "web.config", 3, at(since) if since else None, guards=True
    )


def test_a_mitigation_in_between_bounds_the_window():
    history = build_history([log("2021-03-01", CU19_BARE), log("2021-04-01", CU19_BARE), log("2021-04-20", CU19_MAR)])
    found = exposure_of(LOGON, history, [guard("2021-03-15")], [at("2021-03-16")], END)
    assert [one[0] for one in spans(found)] == ["unknown", "open", "mitigated", "closed"]
    assert found.open_windows[0].end == at("2021-03-15")
    assert (found.figures.attempt_state, found.figures.mitigated_days) == ("mitigated", 36)
    still = exposure_of(LOGON, build_history([log("2021-03-01", CU19_BARE)]), [guard("2021-03-15")], (), END)
    assert still.state == "mitigated"
    assert still.to_model().open_until == at("2021-03-15")
    assert "msg:exposure.mitigation-not-past" in still.messages


@pytest.mark.parametrize("mitigation", [guard(None), guard("2021-03-15", "partial"), guard("2021-03-15", "weak")])
def test_an_undated_or_leaky_mitigation_bounds_nothing(mitigation):
    found = exposure_of(LOGON, build_history([log("2021-03-01", CU19_BARE)]), [mitigation], (), END)
    assert found.state == "open"


@pytest.mark.parametrize(
    ("state", "expected"), [("in-place", "closed"), ("partial", "open"), ("absent", "open"), ("not-visible", "unknown")]
)
def test_a_step_beside_the_code_decides(state, expected):
    history = build_history([log("2024-04-01", "15.1.2507.37")])
    seen = MitigationState("extended-protection", state, ("CVE-2024-21410",), ())
    assert exposure_of(RELAY, history, [seen]).state == expected
    assert exposure_of(RELAY, history).state == "unknown"


def test_a_product_without_the_hole_has_no_entry():
    old = build_history([log("2021-03-01", "14.3.509.0")])
    assert exposure_of(LOGON, old) is None


def test_readings_from_every_place():
    moment = at("2021-03-01")
    row = {"MajorVersion": "15", "MinorVersion": "1", "BuildVersion": "2176", "RevisionVersion": "9"}
    assert from_columns(row, moment) == Reading(moment, Build(15, 1, 2176, 9), "exact", "log-column")
    assert from_columns({"MajorVersion": "15"}, moment) is None
    assert reading("15.01.2176.009", moment, "schema-version").precision == "exact"
    assert reading("15.0.0.0", moment, "log-header") is None  # ECP server and SMTP logs
    assert reading("15.20.7362.21", moment, "log-header") is None
    assert reading("15.1.2176.9", None, "ecp-bld") is None
    assert [
        str(one.build) for one in from_locations([("Exchange Back End/owa/15.2.986.5", 3), ("Default Web Site", 1)], moment, "a")
    ] == ["15.2.986.5"]
    assert from_update("KB5000871", Build(15, 1, 2176, parts=3), moment).build == Build(15, 1, 2176, 9)
    one, two = Build(15, 1, 2176, 2), Build(15, 1, 2176, 9)
    assert from_baseline([[one, two], [two]], moment).build == two
    assert from_baseline([[one, two]], moment).precision == "cu"
    assert from_baseline([[one], [two]], moment) is None


def test_setup_runs_give_what_they_left_and_what_they_found():
    runs = [
        ("s", run("2020-01-01", CU18_BARE, "Install")),
        ("s", run("2020-06-01", CU19_BARE, "Upgrade", CU18_BARE)),
        ("s", run("2020-07-01", CU20, "Upgrade", failed=True)),
    ]
    assert [(str(one.build), one.precision) for one in from_setup(runs)] == [
        (CU18_BARE, "cu"),
        (CU18_BARE, "cu"),
        (CU19_BARE, "cu"),
    ]
    assert installed_at(runs) == at("2020-01-01")


_ROWS = [row.build for row in builds.rows() if row.build.major == 15]
_READINGS = st.lists(
    st.builds(
        lambda hours, build, exact: Reading(
            at("2021-01-01") + timedelta(hours=hours), build, "exact" if exact else "cu", "log-header" if exact else "owa-path"
        ),
        st.integers(0, 4000),
        st.sampled_from(_ROWS),
        st.booleans(),
    ),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(_READINGS, st.sampled_from(vulnerabilities.core()))
def test_windows_adjoin_and_never_contradict_an_exact_reading(readings, known):
    """The windows cover all time once, in order; at an exact open reading the hole is never shown closed."""
    history = build_history(readings)
    found = exposure_of(known, history, evidence_end=END)
    if found is None:
        return
    assert found.windows[0].start is None
    assert found.windows[-1].end is None
    for before, after in zip(found.windows, found.windows[1:], strict=False):
        assert before.end == after.start
        assert before.state != after.state
    used, _aside = set_aside(tuple(sorted(set(readings))))
    for one in used:
        state = vulnerabilities.state(known.cve, one.build, one.precision).state
        at_time = next(
            w for w in found.windows if (w.start is None or w.start <= one.time) and (w.end is None or one.time < w.end)
        )
        if one.precision == "exact" and state == "open":
            assert at_time.state == "open"
    closing = {
        one.time
        for one in readings
        if vulnerabilities.state(known.cve, one.build, one.precision).state in ("closed", "not-affected")
    }
    assert all(window.start in closing for window in found.windows if window.state == "closed")


def test_an_update_in_progress_is_open_until_the_old_build_is_gone():
    """Services restart one by one: old and new builds alternate for some hours."""
    mixed = [log("2021-03-10T00:00", CU19_BARE, "owa"), log("2021-03-10T03:00", CU19_MAR, "ews")]
    mixed += [log("2021-03-10T03:30", CU19_MAR, "ews"), log("2021-03-10T05:00", CU19_BARE, "owa")]
    done = [log("2021-03-10T06:00", CU19_MAR, "owa"), log("2021-03-12T06:00", CU19_MAR, "owa")]
    found = exposure_of(LOGON, build_history([*mixed, *done]), evidence_end=END)
    assert [one.state for one in found.windows] == ["unknown", "open", "closed"]
    assert found.open_windows[0].end == at("2021-03-10T06:00")
    still = [*mixed, log("2021-03-10T05:00:01", CU19_MAR, "ews")]
    found = exposure_of(LOGON, build_history(still), evidence_end=END)
    assert found.state == "open"
    assert found.basis[0].startswith("basis.older-than-fix")
