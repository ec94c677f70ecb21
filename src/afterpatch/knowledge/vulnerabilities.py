"""Vulnerabilities, their first fixed builds, and what a build says about each.

Rules (NOTES of the source tables): builds are compared only inside one cumulative update; a reading at the level of the
cumulative update never proves that a security update is there, nor that it is missing; a cumulative update without an
update of its own is not fixed, also where it is out of support and was never assessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache

from afterpatch.knowledge import builds
from afterpatch.knowledge.builds import Branch, Build
from afterpatch.knowledge.data_files import data_path, table

STATES = ("open", "closed", "unknown", "not-affected", "configuration")
# What a code fix alone does not do. `default-on`: 2019 from CU14 and SE switch Extended Protection on at setup.
# The preparation steps are done by the setup of every later cumulative update, the others are not.
_BY_SETUP = frozenset({"prepare-ad", "prepare-schema", "prepare-all-domains"})
_EP_DEFAULT = Build(15, 2, 1544)


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """One CVE. `exploited`: listed by CISA as used in attacks. `pre_auth` and `cvss` are None where unknown;
    `cvss_basis` "recalled" means: re-check before display. `needs`: see STEPS in the handbook page."""

    cve: str
    alias: str
    chains: tuple[str, ...]
    importance: str  # core | other
    summary: str
    disclosed: date
    exploited: bool
    kev_date: date | None
    ransomware: str
    pre_auth: bool | None
    cvss: float | None
    cvss_basis: str
    cwe: str
    fixed_in: str
    mitigations: str
    techniques: tuple[str, ...]
    needs: tuple[str, ...]
    origin: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fix:
    """How one cumulative update got its fix. `status`: f | i | u | c | n (head of `data/fixed_builds.tsv`)."""

    status: str
    build: Build | None = None
    update: str = ""
    basis: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class CveState:
    """What a build says about a CVE. `basis` holds `basis.<key>` or `basis.<key>: detail`; `needs` names the steps
    without which a state of `configuration` is not safe."""

    cve: str
    state: str
    basis: tuple[str, ...]
    fixed_build: Build | None = None
    update: str = ""
    needs: tuple[str, ...] = ()
    note: str = ""


@cache
def vulnerabilities() -> dict[str, Vulnerability]:
    """All known ones by CVE id, in the order of year and number."""
    return {row["cve"]: _vulnerability(row) for row in table("vulnerabilities.csv")}


def _vulnerability(row: Mapping[str, str]) -> Vulnerability:
    return Vulnerability(
        cve=row["cve"],
        alias=row["alias"],
        chains=_split(row["chains"]),
        importance=row["importance"],
        summary=row["summary"],
        disclosed=date.fromisoformat(row["disclosed"]),
        exploited=row["exploited"] == "y",
        kev_date=date.fromisoformat(row["kev_date"]) if row["kev_date"] else None,
        ransomware=row["ransomware"],
        pre_auth={"y": True, "n": False}.get(row["pre_auth"]),
        cvss=float(row["cvss"]) if row["cvss"] else None,
        cvss_basis=row["cvss_basis"],
        cwe=row["cwe"],
        fixed_in=row["fixed_in"],
        mitigations=row["mitigations"],
        techniques=_split(row["techniques"]),
        needs=_split(row["needs"]),
        origin=tuple(row["origin"].split("+")),
    )


def _split(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(";") if part)


def get(cve: str) -> Vulnerability | None:
    """One vulnerability by its id (`CVE-2021-26855`), or None."""
    return vulnerabilities().get(cve.upper())


def in_language(known: Vulnerability, language: str) -> Vulnerability:
    """The same with `summary` and `mitigations` in a language (`zh-CN`); each stays English where it has no translation."""
    texts = _translations(language).get(known.cve, {})
    return replace(
        known, summary=texts.get("summary") or known.summary, mitigations=texts.get("mitigations") or known.mitigations
    )


@cache
def _translations(language: str) -> dict[str, dict[str, str]]:
    """CVE -> its texts in a language. English stands in the table itself and has no file of its own."""
    name = f"vulnerabilities.{language}.csv"
    return {row["cve"]: row for row in table(name)} if data_path(name).is_file() else {}


def core() -> tuple[Vulnerability, ...]:
    """The ones a report names one by one; the others are counted."""
    return tuple(item for item in vulnerabilities().values() if item.importance == "core")


def exploited() -> tuple[Vulnerability, ...]:
    """The ones used in attacks."""
    return tuple(item for item in vulnerabilities().values() if item.exploited)


def in_chain(chain: str) -> tuple[Vulnerability, ...]:
    """The ones an attack chain goes through."""
    return tuple(item for item in vulnerabilities().values() if chain in item.chains)


@cache
def _fix_lines() -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """CVE -> product -> unread cells, and the notes by their number. Cells are read only when asked for."""
    cells: dict[str, dict[str, str]] = {}
    notes: dict[str, str] = {}
    for line in data_path("fixed_builds.tsv").read_text(encoding="utf-8").split("\n"):
        fields = line.split("\t")
        if len(fields) == 3 and fields[0] == "#note":
            notes[fields[1]] = fields[2]
        elif len(fields) == 3 and not line.startswith("#"):
            cells.setdefault(fields[0], {})[fields[1]] = fields[2]
    return cells, notes


def products_of(cve: str) -> tuple[str, ...]:
    """The products listed as affected by a CVE."""
    return tuple(_fix_lines()[0].get(cve, {}))


@cache
def fixes(cve: str, product: str) -> dict[str, Fix]:
    """Cumulative update -> fix, for a listed product; one that is missing here has no fix. Empty if not listed."""
    cells, notes = _fix_lines()
    return dict(_fixes(cells.get(cve, {}).get(product, ""), notes))


def _fixes(text: str, notes: Mapping[str, str]) -> Iterator[tuple[str, Fix]]:
    for cell in text.split():
        cu, status, build, update, basis, note = (cell.replace("_", " ").split(":") + [""] * 4)[:6]
        yield cu, Fix(status, Build.parse(build) if build else None, update, basis, notes.get(note, ""))


def state(cve: str, build: Build, precision: str = "") -> CveState:
    """What a build says about a CVE. `precision` lowers what the number of parts allows: cu for a source that stays at
    the cumulative update (registry, folder names, AdminDisplayVersion), least for one that proves this build or a later
    one of its branch (versions of single files): what is fixed there is fixed, what is open there is unknown."""
    cve = cve.upper()
    known = get(cve)
    if known is None:
        return CveState(cve, "unknown", ("basis.unknown-cve",))
    if build.product == builds.ONLINE:
        return CveState(cve, "not-affected", ("basis.exchange-online",))
    listed = products_of(cve)
    if not listed:  # no update fixes it at all
        return CveState(cve, "configuration", ("basis.configuration-only",), needs=known.needs)
    if build.product not in listed:
        return _not_listed(known, build)
    if precision == "least" and build.precision == "exact":
        return _at_least(known, build)
    order = ("product", "cu", "exact")
    if precision == "least":
        precision = "cu"
    level = min(order.index(precision or build.precision), order.index(build.precision))
    return _at_product(known, build) if level == 0 else _at_branch(known, build, exact=level == 2)


def _at_least(known: Vulnerability, build: Build) -> CveState:
    """This build or a later one of its branch: inside a branch more is only ever fixed."""
    there = _at_branch(known, build, exact=True)
    if there.state != "open":
        return there
    return _at_branch(known, build, exact=False)


def _not_listed(known: Vulnerability, build: Build) -> CveState:
    """A product that the list of affected products leaves out: safe only while the product was still looked at."""
    if build.product == "Exchange SE":  # the same code as the last cumulative update of 2019
        inherited = [fix.status for fix in fixes(known.cve, "Exchange 2019").values()]
        key = "included-in-product" if inherited else "not-listed"
        return CveState(known.cve, "closed" if inherited else "not-affected", (f"basis.{key}",), needs=known.needs)
    last = builds.last_update(build.product)
    if last is None or known.disclosed > last:
        return CveState(known.cve, "unknown", (f"basis.not-assessed: {build.product}",))
    return CveState(known.cve, "not-affected", (f"basis.not-listed: {build.product}",))


def _at_product(known: Vulnerability, build: Build) -> CveState:
    """Only the product is known: some cumulative update of every listed product lacks the fix."""
    return CveState(known.cve, "unknown", (f"basis.product-only: {build.product}",), needs=known.needs)


def _at_branch(known: Vulnerability, build: Build, *, exact: bool) -> CveState:
    branch = builds.branch(build)
    if branch is None:
        return _outside_branches(known, build)
    fix = fixes(known.cve, branch.product).get(branch.cu, Fix("n"))
    if fix.status == "n":
        return CveState(known.cve, "open", (f"basis.no-update-for-cu: {branch.product} {branch.cu}",), note=fix.note)
    if fix.status == "i":
        return _fixed(known, build, fix, f"basis.included-in-cu: {branch.cu}", included=True)
    if fix.status == "c":
        detail = f"basis.configuration: {branch.product} {branch.cu}"
        return CveState(known.cve, "configuration", (detail,), needs=known.needs, note=fix.note)
    if fix.status == "u":
        return _unknown_fix(known, build, branch, fix, exact=exact)
    return _compare(known, build, branch, fix, exact=exact)


def _unknown_fix(known: Vulnerability, build: Build, branch: Branch, fix: Fix, *, exact: bool) -> CveState:
    """An update exists but its build is not known: only the cumulative update's own build is surely without it."""
    if exact and build <= branch.first:
        return CveState(known.cve, "open", (f"basis.cu-without-update: {build}",), note=fix.note)
    return CveState(known.cve, "unknown", (f"basis.update-build-unknown: {branch.cu}",), note=fix.note)


def _compare(known: Vulnerability, build: Build, branch: Branch, fix: Fix, *, exact: bool) -> CveState:
    first = fix.build or branch.last
    detail = f"{first} ({fix.update})" if fix.update else f"{first}"
    if first <= branch.first:  # the cumulative update itself carries the fix
        return _fixed(known, build, fix, f"basis.included-in-cu: {branch.cu}")
    if not exact:
        return CveState(known.cve, "unknown", (f"basis.su-unknown: {branch.cu}, {detail}",), first, fix.update)
    if build >= first:
        return _fixed(known, build, fix, f"basis.at-or-after-fix: {build} >= {detail}")
    row = builds.lookup(build)
    if row is not None and row.disputed and row.su == fix.update:
        basis = f"basis.disputed-build: {build}, {detail}"
        return CveState(known.cve, "unknown", (basis,), first, fix.update, note=row.note)
    return CveState(known.cve, "open", (f"basis.older-than-fix: {build} < {detail}",), first, fix.update, note=fix.note)


def _fixed(known: Vulnerability, build: Build, fix: Fix, basis: str, *, included: bool = False) -> CveState:
    """The code is there. It is `closed` only where the code alone is the fix."""
    pending = tuple(step for step in known.needs if not _done_by_setup(step, build, included=included))
    basis_all = (basis, *(f"basis.needs: {step}" for step in pending))
    found = "configuration" if pending else "closed"
    return CveState(known.cve, found, basis_all, fix.build, fix.update, known.needs, fix.note)


def _done_by_setup(step: str, build: Build, *, included: bool) -> bool:
    if step == "extended-protection":
        return (build.major, build.minor) == (15, 2) and build >= _EP_DEFAULT
    return included and step in _BY_SETUP


def _outside_branches(known: Vulnerability, build: Build) -> CveState:
    """A build of a cumulative update the table does not know: later than all known ones it carries their fixes."""
    below, newest = builds.branch_below(build)
    fix = fixes(known.cve, below.product).get(below.cu, Fix("n")) if below else Fix("n")
    if newest and fix.status == "i":
        return _fixed(known, build, fix, f"basis.later-than-known: {build}", included=True)
    return CveState(known.cve, "unknown", (f"basis.unknown-branch: {build}",))


def open_cves(build: Build, precision: str = "", *, only_core: bool = False) -> tuple[CveState, ...]:
    """The CVEs that are open on a build (not the unknown ones), by year and number."""
    wanted = core() if only_core else vulnerabilities().values()
    states = (state(item.cve, build, precision) for item in wanted)
    return tuple(item for item in states if item.state == "open")
