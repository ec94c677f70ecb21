"""What configuration says about a hole whose code is fixed but which needs a further step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from afterpatch.exposure.mitigations import MitigationState
from afterpatch.knowledge.vulnerabilities import Vulnerability

# step -> the mitigation that shows whether it was done. Steps without one leave no trace in files: unknown.
STEP_MITIGATIONS = {"extended-protection": "extended-protection", "token-cache": "token-cache"}


@dataclass(frozen=True, slots=True)
class Settled:
    """The state of a hole once its steps are looked at: closed, open or unknown. Closed it is from `since` on, where
    that is known; at `not_before` it was seen otherwise."""

    state: str
    basis: tuple[str, ...]
    since: datetime | None = None
    not_before: datetime | None = None

    def at(self, time: datetime) -> str:
        """The state at a time: what configuration says today is no proof for the time before it is first seen."""
        if self.state != "closed" or self.since is None or time >= self.since:
            return self.state
        return "open" if self.not_before is not None and time <= self.not_before else "unknown"


def settle(known: Vulnerability, mitigations: Sequence[MitigationState]) -> Settled:
    """`closed` only where every step is seen to be done; `open` where one is seen not to be."""
    by_id = {one.id: one for one in mitigations}
    states, basis = [], []
    for step in known.needs:
        seen = by_id.get(STEP_MITIGATIONS.get(step, ""))
        state = _state(step, seen)
        states.append(state)
        basis.append(f"basis.step-{ {'closed': 'done', 'open': 'missing', 'unknown': 'not-visible'}[state] }: {step}")
    worst = "open" if "open" in states else "unknown" if "unknown" in states or not states else "closed"
    done = [by_id[STEP_MITIGATIONS[step]] for step in known.needs if STEP_MITIGATIONS.get(step, "") in by_id]
    since = [one.since for one in done if one.since is not None]
    before = [one.not_before for one in done if one.not_before is not None]
    return Settled(worst, tuple(basis), max(since, default=None), max(before, default=None))


def _state(step: str, seen: MitigationState | None) -> str:
    if seen is None or seen.state == "not-visible":
        return "unknown"
    if seen.state == "in-place":
        return "closed"
    # The token cache is also closed by the Windows update of October 2023, which configuration does not show.
    return "unknown" if step == "token-cache" else "open"
