"""The examination: evidence in, everything that is known of every server out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from afterpatch.assess.actions import actions_for
from afterpatch.assess.backdoors import Doors
from afterpatch.assess.chains import build_chains
from afterpatch.assess.coverage import kind_coverage
from afterpatch.assess.detections import Loaded
from afterpatch.assess.doorplaces import Places
from afterpatch.assess.doubles import in_shadow
from afterpatch.assess.eventcoverage import channel_coverage
from afterpatch.assess.eventdoors import event_doors
from afterpatch.assess.eventlinks import attached
from afterpatch.assess.exposure import ServerExposure, attempts_of, history_entry, server_exposure
from afterpatch.assess.files import Found, back_roots, facts_of
from afterpatch.assess.findings import Findings, Hit, file_identity, merged_pages
from afterpatch.assess.gather import Gathered, gather
from afterpatch.assess.impact import assess_impact
from afterpatch.assess.links import (
    across,
    companions,
    demoted,
    explained,
    overlapped,
    own_addresses,
    owned,
    owners,
    same_hands,
    scanners,
    undated,
    unrelayed,
    visitors,
    with_overlaps,
)
from afterpatch.assess.options import Options
from afterpatch.assess.progress import Progress
from afterpatch.assess.questions import answers, ask, asked_time, end_of_evidence
from afterpatch.assess.readings import latest_build
from afterpatch.assess.server import Server
from afterpatch.assess.states import detection_states
from afterpatch.assess.tampering import tampering_findings
from afterpatch.assess.timeline import build_timeline
from afterpatch.assess.verdict import judge
from afterpatch.detect.files.item import Facts, Inventory
from afterpatch.detect.plane.tally import Group
from afterpatch.detect.sigma.mapping import EVENT_LOG
from afterpatch.exposure import BuildHistory, Reading
from afterpatch.knowledge import builds
from afterpatch.knowledge.builds import Build, branch_key
from afterpatch.model import (
    SEVERITIES,
    Artifact,
    BackDoor,
    Coverage,
    EvidenceSource,
    Examination,
    Finding,
    Notice,
    ServerExamination,
    message,
)


@dataclass(frozen=True, slots=True)
class Result:
    """An examination and what the case keeps beside it."""

    examination: Examination
    artifacts: tuple[Artifact, ...]
    hashes: Mapping[int, str]
    rules_version: str
    interrupted: bool


def examine(paths: Sequence[str], options: Options, progress: Progress | None = None) -> Result:
    """Examines evidence. Raises AfterpatchError where nothing can be examined."""
    gathered = gather(paths, options, progress or Progress())
    return conclude(gathered, options)


def conclude(gathered: Gathered, options: Options) -> Result:
    """What follows from what was read."""
    told = [_told(number, server, gathered, options) for number, server in enumerate(gathered.servers)]
    servers = across([_server(number, told, gathered, options) for number in range(len(told))])
    sources = tuple(EvidenceSource(each.path, each.layout, each.files, each.bytes) for each in gathered.collection.sources)
    examination = Examination(
        evidence=sources,
        servers=servers,
        detections=detection_states(servers, gathered),
        notices=tuple(sorted(set(gathered.notices))),
    )
    version = gathered.loaded.rules.version
    return Result(examination, gathered.collection.artifacts, gathered.hashes, version, gathered.interrupted)


@dataclass(frozen=True, slots=True)
class _Told:
    """What a server's own evidence says, before the servers are looked at together."""

    coverage: tuple[Coverage, ...]
    seen: ServerExposure
    facts: Facts
    hits: list[Hit]
    findings: list[Finding]
    doors: list[BackDoor]

    @property
    def by_kind(self) -> dict[str, Coverage]:
        """Coverage by artifact kind."""
        return {each.artifact: each for each in self.coverage}


def _told(number: int, server: Server, gathered: Gathered, options: Options) -> _Told:
    coverage = server_coverage(server, gathered)
    setup = {index: runs for each in gathered.configuration.values() for index, runs in each.setup_runs.items()}
    last_row = end_of_evidence(coverage)
    seen = server_exposure(server, gathered.scans, gathered.readings[number], setup, gathered.machine, gathered.hashes, last_row)
    gathered.notices += seen.notices
    facts = facts_of(server, gathered.configuration, latest_build(gathered.readings[number]))
    by_kind = {each.artifact: each for each in coverage}
    return _Told(coverage, seen, facts, *_findings(number, server, gathered, facts, options, by_kind))


def _server(number: int, told: Sequence[_Told], gathered: Gathered, options: Options) -> ServerExamination:
    server, mine = gathered.servers[number], told[number]
    coverage, by_kind, seen, facts = mine.coverage, mine.by_kind, mine.seen, mine.facts
    hits, findings, doors = mine.hits, mine.findings, mine.doors
    build, precision, product = _product(seen, server)
    elsewhere = [hit for each in told if each is not mine for hit in visitors(each.hits, server.name)]
    chains = with_overlaps(build_chains(hits, same_hands(hits, doors, elsewhere), elsewhere), findings)
    asked = ask(by_kind, seen.windows, product, options)
    files = [found.finding for found in _files_of(number, server, gathered)]
    impact = assess_impact(hits, files, chains, server.name)
    broken, aside = _incomplete(server, gathered), [*_aside(number, gathered), *_build_limits(seen.history)]
    verdict = judge(chains, doors, findings, impact, asked, by_kind, product, incomplete=broken, aside=aside)
    described = builds.describe(Build.parse(build)) if build else None
    begin, end = asked_time(asked)
    su = described.su if described is not None and precision == "exact" else ""
    exposure = tuple(one.to_model() for one in seen.exposures(attempts_of(hits)))
    return ServerExamination(
        name=server.name,
        product=described.product if described else _line(product),
        cumulative_update=described.cu if described else "",
        security_update=su,
        build=build,
        install_path=facts.install_path,
        build_basis=tuple(f"basis.{one.basis}: {one.build}, {one.path}" for one in _basis(seen.history)),
        verdict=verdict,
        chains=tuple(chains),
        findings=tuple(findings),
        backdoors=tuple(doors),
        exposure=exposure,
        impact=impact,
        coverage=coverage,
        answerable=tuple(answers(asked, by_kind, build_known=bool(build))),
        timeline=build_timeline(findings, chains, doors, seen.history.readings, by_kind),
        actions=actions_for(verdict, chains, doors, findings, impact, exposure),
        asked_from=begin,
        asked_until=end,
        build_precision=precision,
        build_history=history_entry(seen.history),
        mitigations=tuple(one.to_model() for one in seen.mitigations),
        extended_protection=seen.protections,
    )


def _files_of(number: int, server: Server, gathered: Gathered) -> list[Found]:
    """Findings about the server's files, known by the server: their ids do not hang on where the evidence lies."""
    return [
        replace(each, finding=replace(each.finding, id=file_identity(server.name, each.finding), root=""))
        for each in gathered.files.found
        if each.server == number
    ]


def _product(seen: ServerExposure, server: Server) -> tuple[str, str, str]:
    """(build, what it can be trusted for, product line `15.1`) of the last reading; the line alone where only a setup
    that did not finish or the install path tells it."""
    last = seen.history.latest
    if last is not None:
        return str(last.build), last.precision, f"{last.build.major}.{last.build.minor}"
    v14 = any("\\exchange server\\v14\\" in artifact.path.lower() for artifact in server.artifacts)
    return "", "", seen.product_hint or ("14.3" if v14 else "")


def _build_limits(history: BuildHistory) -> list[str]:
    """What the readings of the build leave open."""
    limits = []
    if history.latest is not None and history.latest.precision != "exact":
        limits.append(message("verdict.limit.build-coarse"))
    if history.contradictions:
        limits.append(message("verdict.limit.builds-contradict", count=len(history.contradictions)))
    return limits


def _basis(history: BuildHistory) -> list[Reading]:
    """The readings that name the present build: the last of each kind of place."""
    last = history.latest
    same = [one for one in history.readings if last is not None and branch_key(one.build) == branch_key(last.build)]
    kinds = {one.basis: one for one in same if one.build == last.build} if last is not None else {}
    return sorted(kinds.values(), key=lambda one: one.time)[-4:]


def _line(product: str) -> str:
    """The product's name where only its line is known."""
    known = Build.try_parse(product)
    return known.product if known is not None else ""


def _findings(
    number: int, server: Server, gathered: Gathered, facts: Facts, options: Options, coverage: Mapping[str, Coverage]
) -> tuple[list[Hit], list[Finding], list[BackDoor]]:
    """(hits of chains, all findings, back doors)."""
    maker = Findings(server, gathered.loaded, gathered.hashes)
    hits = maker.of_scans(gathered.scans)
    gathered.notices += maker.notices
    found = _files_of(number, server, gathered)
    hits += [_of_finding(each.finding) for each in found if each.finding.chain and each.finding.stage]
    uses = list(merged_pages(gathered.scans[a.index] for a in server.artifacts if a.index in gathered.scans).values())
    artifacts = {artifact.index: artifact for artifact in server.artifacts}
    own = own_addresses(gathered.scans.values())
    inventory = Inventory.of(a.path for a in server.artifacts if not in_shadow(a))
    doors = Doors(Places(facts, inventory, back_roots(server, gathered.configuration)), artifacts, gathered.hashes, own)
    for each in found:
        doors.add_file(each)
    hits = unrelayed(hits, own)
    hits = explained(demoted(hits, scanners(hits)))
    mapped = overlapped(hits)
    hits = owned(hits, mapped)
    for hit in hits:
        doors.add_hit(hit)
    seeds = event_doors(hits, server.name)
    for seed in seeds:
        doors.add_seed(seed)
    doors.join_loose(uses)
    rare = doors.rare_pages(uses, maker)
    doors.add_uses(uses)
    silent = doors.silent_uses(maker)
    finished = doors.finish()
    hits += [_of_finding(each) for each in (*rare, *silent) if each.stage]
    mapped |= owners(hits, finished)
    hits = owned(hits, mapped)
    more = undated(hits) | companions(hits)
    hits, mapped = owned(hits, more), mapped | more
    hits = attached(hits, server.name, (seed.hit.finding.id for seed in seeds if not seed.removed))
    findings = [hit.finding for hit in hits if hit.group.detection]
    others = [*(each.finding for each in found), *rare, *silent, *tampering_findings(coverage, maker)]
    findings += [replace(each, chain=mapped.get(each.id, each.chain)) for each in others]
    return [hit for hit in hits if _in_time(hit.finding, options)], _within(_unique(findings), options), finished


def _of_finding(finding: Finding) -> Hit:
    """A hit for a finding that no log row made."""
    group = Group("", ())
    group.first = group.last = finding.time
    return Hit(finding, group, "intrusion", "")


def _in_time(finding: Finding, options: Options) -> bool:
    """Whether a finding lies in the time asked about; one without a time is about the present state."""
    last = finding.end_time or finding.time
    if finding.time is None or last is None:
        return True
    return not (options.since and last < options.since) and not (options.until and finding.time > options.until)


def _within(findings: Sequence[Finding], options: Options) -> list[Finding]:
    kept = [finding for finding in findings if _in_time(finding, options)]
    return sorted(
        kept,
        key=lambda each: (
            -SEVERITIES.index(each.severity),
            each.time is None,
            each.time.timestamp() if each.time else 0.0,
            each.detection,
            each.id,
        ),
    )


def _unique(findings: Sequence[Finding]) -> list[Finding]:
    """Each id once; a second finding of the same id adds to the count of the first."""
    kept: dict[str, Finding] = {}
    for finding in findings:
        if finding.id in kept and kept[finding.id] != finding:
            kept[finding.id] = replace(kept[finding.id], count=kept[finding.id].count + finding.count)
        else:
            kept[finding.id] = finding
    return list(kept.values())


def server_coverage(server: Server, gathered: Gathered) -> tuple[Coverage, ...]:
    """One entry for each artifact kind; IIS logs of the back-end site are a kind of their own (`iis-back`)."""
    kinds: dict[str, list[Artifact]] = {}
    for artifact in server.artifacts:
        kinds.setdefault(_covered_kind(artifact, gathered), []).append(artifact)
    skip = ("other", "side-file")
    found = (kind_coverage(kind, kinds[kind], gathered.scans) for kind in sorted(kinds) if kind not in skip)
    mine = [gathered.scans[artifact.index] for artifact in server.artifacts if artifact.index in gathered.scans]
    return tuple(replace(each, channels=channel_coverage(mine)) if each.artifact == EVENT_LOG else each for each in found)


def _covered_kind(artifact: Artifact, gathered: Gathered) -> str:
    scan = gathered.scans.get(artifact.index)
    if artifact.kind == "iis" and scan is not None:
        return "iis-back" if scan.sides["back"] > scan.sides["front"] else "iis"
    if artifact.kind == "log-excerpt" and scan is not None and scan.kinds:
        return "log-excerpt"
    return artifact.kind


def _incomplete(server: Server, gathered: Gathered) -> list[str]:
    """Limits from what broke: detections that failed, files that a worker died on."""
    failed = Counter(gathered.files.failed)
    for artifact in server.artifacts:
        if artifact.index in gathered.scans:
            failed.update(gathered.scans[artifact.index].failed)
    limits = [message("verdict.limit.failed-detection", count=len(failed))] if failed else []
    died = [notice for notice in gathered.notices if notice.reason.startswith("notice.worker-died")]
    if died:
        limits.append(message("verdict.limit.failed-parser", count=len(died)))
    if gathered.interrupted:
        limits.append(message("verdict.limit.interrupted"))
    return limits


def _aside(number: int, gathered: Gathered) -> list[str]:
    """Limits that leave the question answerable."""
    unjudged, unclear = gathered.files.unjudged.get(number, 0), gathered.servers[number].unclear
    limits = [message("verdict.limit.pages-not-compared", count=unjudged)] if unjudged else []
    return [*limits, message("verdict.limit.server-unclear", count=unclear)] if unclear else limits


__all__ = ["Loaded", "Notice", "Result", "examine"]
