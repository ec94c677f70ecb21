"""The examination as one page of HTML that needs nothing but a browser, and no network.

Every value passes `_finalize` and then Jinja's escaping: nothing of the evidence is ever markup. The page's policy
allows one style sheet and one script, by their hashes, and nothing else. No attribute holds a value of the evidence.
"""

from __future__ import annotations

import base64
import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.bccache import Bucket
from jinja2.runtime import Context
from markupsafe import Markup

from afterpatch.detect import kept
from afterpatch.model import BackDoor, Chain, Examination, ServerExamination
from afterpatch.model.finding import SEVERITIES, STAGES
from afterpatch.report import exposed, figures, pages, times
from afterpatch.report.catalogue import Catalogue
from afterpatch.report.pages import Budget, Group, Raw, TimelineRow
from afterpatch.report.pictures import (
    CoveragePicture,
    TimelinePicture,
    coverage_picture,
    question_period,
    timelines,
)
from afterpatch.report.run import RunInfo
from afterpatch.report.text import shorten, shown, visible

MAX_ROWS_IN_ALL = 3_600
_ASSETS = Path(__file__).parent / "assets"
_SECTIONS = (
    ("happened", "ui.what-happened"),
    ("timeline", "ui.timeline"),
    ("backdoors", "ui.backdoors"),
    ("impact", "ui.impact"),
    ("coverage", "ui.coverage"),
    ("unseen", "ui.not-seen"),
    ("findings", "ui.findings"),
    ("exposure", "ui.exposure"),
)
_LIKELIHOODS = (
    ("almost-none", "1 – 5 %"),
    ("very-unlikely", "5 – 20 %"),
    ("unlikely", "20 – 45 %"),
    ("even", "45 – 55 %"),
    ("likely", "55 – 80 %"),
    ("very-likely", "80 – 95 %"),
    ("almost-certain", "95 – 99 %"),
)
_METHOD = tuple(
    f"ui.method-{one}" for one in ("evidence", "pure", "stages", "scanners", "absence", "times", "text")
)  # fmt: skip
# Colours of the states of holes, for those of mitigations.
_MITIGATION_CLASS = {"in-place": "closed", "partial": "mitigated", "weak": "open", "absent": "open", "not-visible": "unknown"}
_STATES = ("compromised", "attempted", "no-evidence", "inconclusive")


@dataclass(frozen=True, slots=True)
class Part:
    """What of a server goes onto the page."""

    id: str
    index: int
    server: ServerExamination
    groups: tuple[Group, ...]
    anchors: Mapping[str, str]
    rows: tuple[TimelineRow, ...]
    titles: Mapping[str, str]
    pictures: tuple[TimelinePicture, ...]
    coverage: CoveragePicture | None


def render_html(
    examination: Examination,
    run: RunInfo,
    catalogue: Catalogue,
) -> str:
    """The report: a whole HTML document, below about 10 MB however long the examination is."""
    css, script = _asset("report.css"), _asset("report.js")
    budget = Budget()
    prepared = [
        _part(server, index, catalogue, budget, len(examination.servers)) for index, server in enumerate(examination.servers)
    ]
    notices = pages.notice_groups(examination.notices, catalogue)
    shown_notices = sum(len(group.notices) + group.hidden for group in notices)
    return (
        _environment()
        .get_template("report.html")
        .render(
            **_words(catalogue),
            **_constants(),
            language=catalogue.language,
            policy=_policy(css, script),
            css=Markup(css),  # noqa: S704 our own file
            script=Markup(script),  # noqa: S704 our own file
            examination=examination,
            run=run,
            servers=examination.servers,
            prepared=prepared,
            number_of=lambda server: next(i for i, one in enumerate(examination.servers, 1) if one is server),
            loose=pages.groups(examination.findings, catalogue, "x", budget),
            notices=notices,
            notices_left_out=len(examination.notices) - shown_notices,
            detections=pages.detection_groups(examination.detections),
        )
    )


def _part(
    server: ServerExamination,
    index: int,
    catalogue: Catalogue,
    budget: Budget,
    servers: int,
) -> Part:
    key = f"s{index + 1}"
    groups = pages.groups(server.findings, catalogue, f"{key}-", budget)
    anchors = {one.finding.id: one.anchor for group in groups for one in group.findings}
    rows = pages.timeline_rows(server, catalogue, anchors, min(pages.MAX_TIMELINE, MAX_ROWS_IN_ALL // servers))
    coverage = coverage_picture(server.coverage, question_period(server))
    titles = {one.finding.id: one.title or group.title for group in groups for one in group.findings}
    return Part(key, index, server, groups, anchors, rows, titles, timelines(server), coverage)


def _words(catalogue: Catalogue) -> dict[str, Any]:
    """What the template says things with."""
    return {
        "t": catalogue.text,
        "name": catalogue.name,
        "has": catalogue.has,
        "words": catalogue.words,
        "chain_title": catalogue.chain,
        "impact_value": catalogue.value,
        "notice": catalogue.notice,
        "explanation": catalogue.explanation,
        "benign": catalogue.benign,
        "next_steps": catalogue.next_steps,
        "detection_title": catalogue.detection_title,
        "detection_detail": catalogue.detection_detail,
        "moment": lambda when: times.moment(when, catalogue),
        "span": lambda first, last: times.span(first, last, catalogue),
        "chain_name": lambda chain: _chain_name(chain, catalogue),
        "holes": lambda server: exposed.holes(server, catalogue),
        "mitigations": exposed.ordered_mitigations,
        "since_text": lambda one: exposed.since_text(one, catalogue),
        "protection_text": lambda one: exposed.protection_text(one, catalogue),
        "step_rows": lambda server, chain: pages.step_rows(server, chain, catalogue),
    }


def _constants() -> dict[str, Any]:
    return {
        "number": figures.number,
        "size": figures.size,
        "minute": times.minute,
        "iso": times.iso,
        "short": _short,
        "stages": STAGES,
        "severities": SEVERITIES,
        "stage_times": _stage_times,
        "door_findings": _door_findings,
        "first_anchor": lambda anchors, ids: next((anchors[one] for one in ids if one in anchors), ""),
        "safe_state": lambda state: _one_of(state, _STATES, "inconclusive"),
        "safe_door": lambda state: _one_of(state, ("present", "deleted"), "unknown"),
        "safe_certainty": lambda one: _one_of(one, ("known", "estimated"), "not-determinable"),
        "safe_answer": lambda state: _one_of(state, ("yes", "partly"), "no"),
        "safe_mitigation": lambda state: _MITIGATION_CLASS.get(state, "closed"),
        "safe_hole": lambda state: _one_of(state, ("open", "closed", "mitigated"), "unknown"),
        "server_sections": _SECTIONS,
        "likelihoods": _LIKELIHOODS,
        "method": _METHOD,
        "detections_cap": pages.MAX_DETECTIONS,
    }


def _one_of(value: str, known: Sequence[str], other: str) -> str:
    """The value where it is one of ours (it becomes a class or an anchor), else the other."""
    return value if value in known else other


def _short(text: str, limit: int) -> str:
    return Raw(shorten(text, limit)) if isinstance(text, Raw) else shorten(str(text), limit)


def _chain_name(chain: str, catalogue: Catalogue) -> str:
    return catalogue.texts.get(f"chain.{chain}.name", chain) if chain else catalogue.text("ui.other-findings")


def _stage_times(server: ServerExamination, chain: Chain) -> dict[str, datetime | None]:
    found = pages.stage_times(server, chain.id, chain.findings)
    return {stage: found.get(stage) for stage in STAGES}


def _door_findings(part: Part, door: BackDoor) -> list[tuple[str, str]]:
    """(title, anchor) of the findings about a back door that are on the page, each title once."""
    named: dict[str, str] = {}
    for one in door.findings:
        if one in part.anchors:
            named.setdefault(part.titles[one], part.anchors[one])
    return list(named.items())[:12]


def _finalize(value: Any) -> Any:
    """The last step before escaping: hidden characters visible, and URLs harmless outside raw lines."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return visible(value) if isinstance(value, Raw) else shown(value)


class _Kept(BytecodeCache):
    """Compiled templates between runs."""

    def load_bytecode(self, bucket: Bucket) -> None:
        """What was kept of this very source."""
        data = kept.load("page", self._key(bucket))
        if data is not None:
            bucket.bytecode_from_string(data)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keeps a compiled template."""
        kept.store("page", self._key(bucket), bucket.bytecode_to_string())

    @staticmethod
    def _key(bucket: Bucket) -> str:
        of = f"{bucket.key} {bucket.checksum} {sys.version} {jinja2.__version__}"
        return hashlib.sha256(of.encode()).hexdigest()


def load_templates() -> None:
    """Makes the page's templates ready; `render_html` does it where it was not done."""
    _environment().get_template("report.html")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_ASSETS),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=_Kept(),
    )
    environment.filters["words"] = _context_words
    return environment


@pass_context
def _context_words(context: Context, text: str) -> str:
    return str(context["words"](text))


@lru_cache(maxsize=4)
def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _policy(css: str, script: str) -> str:
    """Nothing may be loaded; this style sheet and this script alone may act."""
    return (
        f"default-src 'none'; style-src {_hash(css)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'; img-src 'none'; connect-src 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
