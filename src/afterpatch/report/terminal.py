"""The examination on a terminal: calm, plain, the most important first. No meaning is carried by colour alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from afterpatch.model import (
    Actor,
    BackDoor,
    Chain,
    ChannelCoverage,
    Coverage,
    Examination,
    Finding,
    ImpactItem,
    Notice,
    ServerExamination,
)
from afterpatch.model.finding import STAGES
from afterpatch.report.catalogue import Catalogue
from afterpatch.report.exposed import Hole, holes, ordered_mitigations, rest, since_text, together
from afterpatch.report.layout import Page, pad, text_width
from afterpatch.report.pages import StepRow, severity_rank, step_rows
from afterpatch.report.text import parse_message, shorten
from afterpatch.report.times import moment, span

MAX_ACTIONS = 7
MAX_CHAINS = 12
MAX_BACKDOORS = 12
MAX_ITEMS = 8
MAX_HOLES = 12
MAX_SOURCES = 6
MAX_TEXT = 300
MEDIUM = severity_rank("medium")
_VERDICT_STYLE = {"compromised": "red", "attempted": "yellow", "no-evidence": "cyan", "inconclusive": "magenta"}
_VERDICT_MARK = {"compromised": "[!!]", "attempted": "[! ]", "no-evidence": "[--]", "inconclusive": "[??]"}
_SEVERITY_STYLE = {"critical": "red", "high": "red", "medium": "yellow"}


def render_terminal(
    examination: Examination,
    catalogue: Catalogue,
    *,
    width: int = 80,
    colour: bool = False,
    unicode: bool = True,
    files: Sequence[tuple[str, str]] = (),
) -> str:
    """The examination for a terminal of `width` columns, with a line feed at the end.

    `files` are (label, path) of what was written: labels `case`, `report`, `json`. Honouring NO_COLOR, and finding out
    what the terminal can show, is the caller's task.
    """
    page = Page.blank(width, colour, unicode)
    writer = _Writer(page, catalogue)
    if len(examination.servers) > 1:
        writer.summary(examination.servers)
    for server in examination.servers:
        writer.server(server)
    if not examination.servers:
        writer.no_server(examination.findings)
    elif examination.findings:
        writer.findings(examination.findings, "ui.other-findings")
    writer.notices(examination.notices)
    writer.files(files)
    return "\n".join(page.lines).rstrip("\n") + "\n"


class _Writer:
    """Writes the sections of one examination onto a page."""

    def __init__(self, page: Page, catalogue: Catalogue) -> None:
        self.page, self.catalogue = page, catalogue
        self.t = catalogue.text
        self.colon = catalogue.text("ui.colon")

    def summary(self, servers: Sequence[ServerExamination]) -> None:
        """One line a server."""
        names = [shorten(self.page.safe(server.name or self.t("ui.unnamed-server")), 30) for server in servers]
        wide = max(text_width(name) for name in names)
        self.page.put(f"{self.t('ui.servers')} ({len(servers)})", style="bold")
        for name, server in zip(names, servers, strict=True):
            state = server.verdict.state
            head = f"  {_VERDICT_MARK.get(state, '[  ]')} {pad(name, wide)}  "
            chains = [self.catalogue.chain(chain) for chain in server.chains]
            text = self.catalogue.name("state", state)
            self.page.put(
                text + (f" · {self.listed(chains, 4)}" if chains else ""),
                head,
                " " * text_width(head),
                mark=_VERDICT_STYLE.get(state, ""),
            )
        self.page.gap()

    def server(self, server: ServerExamination) -> None:
        """Everything of one server."""
        self.head(server)
        self.verdict(server)
        self.actions(server.actions)
        self.chains(server)
        self.backdoors(server.backdoors)
        self.impact(server)
        self.exposure(server)
        self.mitigations(server)
        self.not_seen(server)
        self.coverage(server.coverage)

    def head(self, server: ServerExamination) -> None:
        page, unknown = self.page, self.t("ui.unknown")
        page.gap()
        page.rule()
        page.put(server.name or self.t("ui.unnamed-server"), f"{self.t('ui.server')}  ", style="bold")
        update = [part for part in (server.cumulative_update, server.security_update) if part]
        product = " ".join([server.product or unknown, *update])
        build = f"{self.t('ui.build')} {server.build}" if server.build else self.t("ui.build-unknown")
        page.put(f"{product} · {build}", "  ", "  ")
        if server.build_precision in ("cu", "least", "product"):
            page.put(self.catalogue.name("ui.build-precision", server.build_precision), "  ", "  ", "dim")

    def verdict(self, server: ServerExamination) -> None:
        verdict, page = server.verdict, self.page
        page.gap()
        style = _VERDICT_STYLE.get(verdict.state, "bold")
        word = self.catalogue.name("state", verdict.state)
        confidence = self.catalogue.name("confidence", verdict.confidence)
        page.put(
            f"{word.upper()}  ({self.t('ui.confidence-is', confidence=confidence)})",
            _VERDICT_MARK.get(verdict.state, "[  ]") + " ",
            style=style,
            mark=style,
        )
        page.put(self.words(verdict.summary), "     ", "     ", style="bold")
        for reason in verdict.reasons[:MAX_ITEMS]:
            page.item(self.words(reason), indent=5)
        self.more(len(verdict.reasons) - MAX_ITEMS, 5)

    def actions(self, actions: Sequence[str]) -> None:
        self.page.heading(self.t("ui.what-now"))
        if not actions:
            self.page.put(self.t("ui.no-actions"), "  ", "  ")
        for index, action in enumerate(actions[:MAX_ACTIONS], 1):
            self.page.item(self.words(action), f"{index}.")
        if len(actions) > MAX_ACTIONS:
            self.page.put(f"… {self.t('ui.more-actions', count=len(actions) - MAX_ACTIONS)}", "  ", "  ", "dim")

    def chains(self, server: ServerExamination) -> None:
        self.page.heading(self.t("ui.what-happened"))
        if not server.chains:
            self.page.put(self.t("ui.no-chain"), "  ", "  ")
            if server.findings:
                self.findings(server.findings, "")
            return
        for chain in server.chains[:MAX_CHAINS]:
            self.chain(chain, server)
        self.more(len(server.chains) - MAX_CHAINS)
        told = {one for chain in server.chains for one in chain.findings}
        others = [one for one in server.findings if one.id not in told and severity_rank(one.severity) >= MEDIUM]
        if others:
            self.page.put(self.t("ui.other-findings"), "  ", "  ", "bold")
            self.findings(others, "")

    def chain(self, chain: Chain, server: ServerExamination) -> None:
        page, c = self.page, self.catalogue
        cves = f" ({', '.join(chain.cves[:4])})" if chain.cves else ""
        stages = " → ".join(
            c.name("stage", stage).upper() if stage == chain.stage else c.name("stage", stage)
            for stage in STAGES[: STAGES.index(chain.stage) + 1 if chain.stage in STAGES else 0]
        )
        page.put(f"{c.chain(chain)}{cves}", "  ", "  ", "bold")
        page.put(stages, f"    {self.t('ui.furthest')}{self.colon}", "      ")
        page.put(span(chain.first_seen, chain.last_seen, c), f"    {self.t('ui.seen')}{self.colon}", "      ")
        if chain.sources:
            page.put(self.listed(chain.sources, MAX_SOURCES), f"    {self.t('ui.sources')}{self.colon}", "      ")
        steps = step_rows(server, chain, c)
        for step in steps[:MAX_ITEMS]:
            self.step(step)
        self.more(len(steps) - MAX_ITEMS, 4)
        self.actors(chain.actors)
        if chain.overlaps:
            page.put(self.t("ui.overlap", names=self.listed(c.every(chain.overlaps), 5)), "    ", "    ")
            page.put(self.t("ui.overlap-caution"), "    ", "    ", "dim")

    def actors(self, actors: Sequence[Actor]) -> None:
        """Who came, where there is more than one to tell apart, and on which other servers they were seen."""
        others = sorted({name for actor in actors for name in actor.servers})
        if others:
            self.page.put(self.t("ui.also-on", names=self.listed(others, MAX_SOURCES)), "    ", "      ")
        if len(actors) < 2:
            return
        self.page.put(self.t("ui.actors", count=len(actors)), "    ", "    ")
        for actor in actors[:MAX_SOURCES]:
            when = span(actor.first_seen, actor.last_seen, self.catalogue)
            stage = self.catalogue.name("stage", actor.stage)
            self.page.item(f"{self.listed(actor.sources, 4)} · {stage} · {when}", indent=6)
        self.more(len(actors) - MAX_SOURCES, 6)

    def step(self, step: StepRow) -> None:
        head = f"    {moment(step.first, self.catalogue)}  "
        often = ""
        if step.count > 1:
            often = f" ({self.t('ui.times-until', count=step.count, last=moment(step.last, self.catalogue))})"
        place = f"  {shorten(step.place, 120)}" if step.place else ""
        self.page.put(f"{step.what}{often}{place}", head, " " * text_width(head))

    def backdoors(self, backdoors: Sequence[BackDoor]) -> None:
        self.page.heading(self.t("ui.backdoors"))
        if not backdoors:
            self.page.put(self.t("ui.no-backdoor"), "  ", "  ")
        for door in backdoors[:MAX_BACKDOORS]:
            self.backdoor(door)
        self.more(len(backdoors) - MAX_BACKDOORS)

    def backdoor(self, door: BackDoor) -> None:
        c, page = self.catalogue, self.page
        state = c.name("backdoor.state", door.state)
        kind = c.name("backdoor.kind", door.kind)
        style = "red" if door.state == "present" else "yellow"
        page.put(shorten(door.path, MAX_TEXT), f"  [{state}] ", "    ", mark=style)
        family = f" · {door.family}" if door.family else ""
        page.put(f"{kind}{family} · {self.t('ui.first-seen')} {moment(door.first_seen, c)}", "    ", "    ")
        if door.uses or door.last_used or door.used_by:
            times = f"{self.t('ui.times', count=door.uses)} · " if door.uses else ""
            by = f" · {self.t('ui.used-by')} {self.listed(door.used_by, MAX_SOURCES)}" if door.used_by else ""
            page.put(f"{times}{self.t('ui.last-used')} {moment(door.last_used, c)}{by}", "    ", "    ")
        else:
            page.put(self.t("ui.never-used"), "    ", "    ")
        if door.sha256:
            page.put(door.sha256, "    SHA-256 ", "    ", "dim")

    def impact(self, server: ServerExamination) -> None:
        self.page.heading(self.t("ui.impact"))
        impact, before = server.impact, len(self.page.lines)
        bytes_out = (impact.bytes_out,) if impact.bytes_out else ()
        for name, items in (
            ("mailboxes", impact.mailboxes),
            ("credentials", impact.credentials),
            ("hosts", impact.hosts),
            ("bytes_out", bytes_out),
        ):
            self.impact_group(name, items)
        if len(self.page.lines) == before:
            self.page.put(self.t("ui.no-impact"), "  ", "  ")

    def impact_group(self, name: str, items: Sequence[ImpactItem]) -> None:
        if not items:
            return
        self.page.put(f"{self.t(f'impact.{name}')} ({len(items)})", "  ", "  ")
        for item in items[:MAX_ITEMS]:
            what = self.catalogue.name("impact.what", self.words(item.what))
            value = self.catalogue.value(item)
            value = f"{self.colon}{shorten(value, MAX_TEXT)}" if value else ""
            certainty = self.catalogue.name("certainty", item.certainty)
            self.page.item(f"{what}{value} [{certainty}]", indent=4)
        self.more(len(items) - MAX_ITEMS, 4)

    def exposure(self, server: ServerExamination) -> None:
        """Contradicting builds, the holes that were used here or are used in attacks, and how many others."""
        page, c = self.page, self.catalogue
        page.heading(self.t("ui.exposure"))
        if not server.exposure:
            page.put(self.t("ui.no-exposure"), "  ", "  ")
        for text in [self.words(one.text) for one in server.build_history.contradictions[:MAX_ITEMS]]:
            page.item(text)
        self.more(len(server.build_history.contradictions) - MAX_ITEMS)
        found = holes(server, c)
        shown = together([hole for hole in found if hole.used and hole.entry.windows])[:MAX_HOLES]
        for group in shown if server.build_history.readings else ():
            self.hole(group)
        told = {hole.entry.cve for group in shown for hole in group} if server.build_history.readings else set()
        others = [hole for hole in found if hole.entry.cve not in told]
        if others:
            page.put(self.t("ui.holes-rest", **rest(others)), "  ", "  ", "dim")

    def hole(self, group: Sequence[Hole]) -> None:
        """Holes of which the same is to be said: their state, when they were open, what that means."""
        hole, entry = group[0], group[0].entry
        state = self.catalogue.name("exposure.state", entry.state)
        alias = f" {entry.alias}" if entry.alias else ""
        style = {"open": "red", "mitigated": "yellow", "unknown": "magenta"}.get(entry.state, "")
        spans = [text for text, one in zip(hole.windows, entry.windows, strict=False) if one.state in ("open", "mitigated")]
        cves = self.listed([one.entry.cve for one in group], 8)
        self.page.put(f"{cves}{alias}", f"  [{state}] ", "    ", mark=style)
        if spans:
            self.page.put(self.listed(spans, 4), "    ", "    ")
        if entry.state != "closed" or spans:
            for text in hole.messages[:MAX_ITEMS]:
                self.page.put(text, "    ", "    ")

    def mitigations(self, server: ServerExamination) -> None:
        """What stood in the way, with reasons; what is absent or not visible by name only."""
        page, c = self.page, self.catalogue
        if not server.mitigations:
            return
        page.heading(self.t("ui.mitigations"))
        ordered = ordered_mitigations(server)
        for one in ordered:
            if one.state in ("absent", "not-visible"):
                continue
            since = since_text(one, c)
            name = c.name("exposure.mitigation-name", one.id) + (f" · {since}" if since else "")
            page.put(name, f"  [{c.name('exposure.mitigation-state', one.state)}] ", "    ")
            for reason in one.reasons[:MAX_ITEMS]:
                page.put(shorten(self.words(reason), MAX_TEXT), "    ", "    ", "dim")
            self.more(len(one.reasons) - MAX_ITEMS, 4)
        for state, label in (("absent", "ui.mitigations-absent"), ("not-visible", "ui.mitigations-not-visible")):
            names = [c.name("exposure.mitigation-name", one.id) for one in ordered if one.state == state]
            if names:
                page.put(self.listed(names, 20), f"  {self.t(label)}{self.colon}", "    ")

    def not_seen(self, server: ServerExamination) -> None:
        self.page.heading(self.t("ui.not-seen"))
        for limit in server.verdict.limits[: MAX_ITEMS * 2]:
            self.page.item(self.words(limit))
        self.more(len(server.verdict.limits) - MAX_ITEMS * 2)
        for answer in server.answerable:
            if answer.state == "yes":
                continue
            state = self.catalogue.name("answerable.state", answer.state)
            missing = [self.words(one) for one in answer.missing]
            lacks = f" {self.t('ui.missing')}{self.colon}{self.listed(missing, 4)}" if missing else ""
            self.page.item(f"{self.words(answer.question)} [{state}]{lacks}")
        if not server.verdict.limits and all(answer.state == "yes" for answer in server.answerable):
            self.page.put(self.t("ui.nothing-missing"), "  ", "  ")

    def coverage(self, rows: Sequence[Coverage]) -> None:
        self.page.heading(self.t("ui.coverage"))
        dated = [row for row in rows if row.first or row.last]
        if not dated:
            self.page.put(self.t("ui.no-coverage"), "  ", "  ")
        wide = max((text_width(self.catalogue.name("artifact", row.artifact)) for row in dated), default=0)
        for row in dated:
            name = pad(self.catalogue.name("artifact", row.artifact), min(wide, 32))
            gaps = f" · {self.t('ui.gap-count', count=len(row.gaps))}" if row.gaps else ""
            days = f"{row.first:%Y-%m-%d}" if row.first else "?"
            until = f"{row.last:%Y-%m-%d}" if row.last else "?"
            self.page.put(f"{days} – {until}{gaps}", f"  {name}  ", " " * (min(wide, 32) + 4))
            self.channels(row.channels)

    def channels(self, rows: Sequence[ChannelCoverage]) -> None:
        """The channels of the event logs, those with the most records first."""
        ordered = sorted(rows, key=lambda row: (-row.records, row.channel))
        for row in ordered[:MAX_ITEMS]:
            days = f"{row.first:%Y-%m-%d} – {row.last:%Y-%m-%d}" if row.first and row.last else "?"
            gaps = f" · {self.t('ui.gap-count', count=len(row.gaps))}" if row.gaps else ""
            lost = f" · {self.t('ui.records-missing', count=row.missing)}" if row.missing else ""
            self.page.put(f"{row.channel or '?'}{self.colon}{days} · {row.records}{gaps}{lost}", "    ", "      ")
        self.more(len(ordered) - MAX_ITEMS)

    def no_server(self, findings: Sequence[Finding]) -> None:
        if not findings:
            self.page.put(self.t("ui.no-server"))
        self.findings(findings, "ui.findings")

    def findings(self, findings: Sequence[Finding], heading: str) -> None:
        """Findings grouped by what was found, the most severe first."""
        if heading:
            self.page.heading(self.t(heading))
        groups: dict[tuple[int, str], list[Finding]] = {}
        for finding in findings:
            named = parse_message(finding.title)
            title = (self.catalogue.detection_name(finding) if named else "") or self.catalogue.title(finding)
            groups.setdefault((-severity_rank(finding.severity), title), []).append(finding)
        for (_, title), group in sorted(groups.items())[: MAX_ITEMS * 3]:
            severity = group[0].severity
            self.page.put(
                f"{title} ({len(group)})",
                f"  [{self.catalogue.name('severity', severity)}] ",
                "    ",
                mark=_SEVERITY_STYLE.get(severity, ""),
            )
            places = [one.subject.path or one.subject.url or one.subject.ip for one in group]
            if any(places):
                self.page.put(self.listed([place for place in places if place], 3), "    ", "    ")
        self.more(len(groups) - MAX_ITEMS * 3)
        if not findings:
            self.page.put(self.t("ui.no-findings"), "  ", "  ")

    def notices(self, notices: Sequence[Notice]) -> None:
        self.page.heading(f"{self.t('ui.notices')} ({sum(notice.count for notice in notices)})")
        if not notices:
            self.page.put(self.t("ui.no-notices"), "  ", "  ")
        totals: Counter[str] = Counter()
        for notice in notices:
            totals[self.catalogue.notice_kind(notice)] += notice.count
        ranked = sorted(totals.items(), key=lambda pair: (-pair[1], pair[0]))
        for text, count in ranked[:MAX_ITEMS]:
            self.page.item(f"{count} × {text}" if self.page.unicode else f"{count} x {text}")
        self.more(len(ranked) - MAX_ITEMS)

    def files(self, files: Sequence[tuple[str, str]]) -> None:
        if not files:
            return
        self.page.heading(self.t("ui.files"))
        for label, path in files:
            self.page.put(path, f"  {self.catalogue.name('ui.file', label)}{self.colon}", "    ")

    def words(self, text: str) -> str:
        return self.catalogue.words(text)

    def listed(self, values: Sequence[str], most: int) -> str:
        text = self.t("ui.list-separator").join(shorten(value, MAX_TEXT) for value in values[:most])
        return f"{text} ({self.t('ui.more', count=len(values) - most)})" if len(values) > most else text

    def more(self, count: int, indent: int = 2) -> None:
        if count > 0:
            self.page.put(f"… {self.t('ui.more', count=count)}", " " * indent, " " * indent, "dim")
