"""What a Sigma rule is after loading: plain frozen data, no behaviour.

The words are Sigma's own (specification 2.1.0, sections Detection, Condition, Modifiers, Correlation, Filters).
A condition is one tree; the leaves are items, one field with its values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from afterpatch.model import RuleError

LEVELS = ("informational", "low", "medium", "high", "critical")
STATUSES = ("stable", "test", "experimental", "deprecated", "unsupported")
ROLES = ("intrusion", "scanner", "admin", "anomaly")
RAW = "@raw"
"""The field a keyword is searched in: the view gives the whole record (and decoded forms of it)."""


@dataclass(frozen=True, slots=True)
class Wild:
    """A part of a text that is not literal. `chars` None: any run (`many`) or any one character; else one of
    `chars`."""

    many: bool = False
    chars: str = ""


ANY = Wild(many=True)
ONE = Wild()
Part = str | Wild


@dataclass(frozen=True, slots=True)
class Text:
    """A string with wildcards, matched against the whole value. `encoded`: the parts stand for bytes (latin-1)."""

    parts: tuple[Part, ...]
    cased: bool = False
    encoded: bool = False


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression, searched in the value; `pattern` is already Python's dialect. `flags` out of `ims`."""

    pattern: str
    flags: str = ""


@dataclass(frozen=True, slots=True)
class Cidr:
    """A network, IPv4 or IPv6."""

    network: str


@dataclass(frozen=True, slots=True)
class Compare:
    """A number compared with the value, or with a `part` of the time in it (`hour` ...). `op`: eq lt lte gt gte."""

    op: str
    number: float
    part: str = ""


@dataclass(frozen=True, slots=True)
class Null:
    """The value is empty."""


@dataclass(frozen=True, slots=True)
class Exists:
    """The field has (or has not) a value."""

    wanted: bool


@dataclass(frozen=True, slots=True)
class FieldRef:
    """The value of another field of the same record. `mode`: equals contains startswith endswith."""

    field: str
    mode: str = "equals"
    cased: bool = False


Value = Text | Regex | Cidr | Compare | Null | Exists | FieldRef


@dataclass(frozen=True, slots=True)
class Item:
    """One field (RAW for keywords) and its values. Each element of `values` is one written value, as the alternatives
    it stands for (windash, base64offset). `every`: all written values must hold. `negated`: the item must not
    hold."""

    field: str
    values: tuple[tuple[Value, ...], ...]
    every: bool = False
    negated: bool = False
    line: int = 0


@dataclass(frozen=True, slots=True)
class All:
    """Conjunction."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least `count` of the nodes; count 1 is the disjunction."""

    nodes: tuple[Node, ...]
    count: int = 1


@dataclass(frozen=True, slots=True)
class Not:
    """Negation."""

    node: Node


Node = Item | All | Some | Not


def items_of(node: Node) -> Iterator[Item]:
    """All items of a condition tree, left to right."""
    if isinstance(node, Item):
        yield node
    elif isinstance(node, Not):
        yield from items_of(node.node)
    else:
        for child in node.nodes:
            yield from items_of(child)


@dataclass(frozen=True, slots=True)
class LogSource:
    """Where a rule looks; "" where the rule does not say."""

    category: str = ""
    product: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A record that must fire, or a look-alike that must not: native columns, or one raw line in the kind's default
    schema."""

    kind: str
    fields: tuple[tuple[str, str], ...] = ()
    line: str = ""


@dataclass(frozen=True, slots=True)
class Keys:
    """Our `afterpatch:` mapping. The defaults are what a rule of another author gets."""

    present: bool = False
    chain: str = ""
    stage: str = ""
    confidence: str = "moderate"
    backdoor: str = ""
    subject: tuple[str, ...] = ("source.ip",)
    role: str = "intrusion"
    explain: str = ""
    benign: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()
    fire: tuple[Example, ...] = ()
    quiet: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Related:
    """A rule this one comes from or replaces."""

    id: str
    type: str


@dataclass(frozen=True, slots=True)
class Header:
    """What rules, correlations and filters say about themselves. `level` and `status` are "" where not said."""

    id: str
    title: str
    name: str = ""
    status: str = ""
    level: str = ""
    description: str = ""
    author: str = ""
    date: str = ""
    modified: str = ""
    license: str = ""
    taxonomy: str = "sigma"
    tags: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    falsepositives: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()
    related: tuple[Related, ...] = ()
    custom: tuple[str, ...] = ()
    path: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """A detection rule. `unused` names selections that no condition uses."""

    header: Header
    logsource: LogSource
    condition: Node
    keys: Keys = field(default_factory=Keys)
    unused: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The rule's own id, its name where it has none, else `path:line`."""
        return self.header.id or self.header.name or f"{self.header.path}:{self.header.line}"

    @property
    def name(self) -> str:
        return self.header.name

    @property
    def title(self) -> str:
        return self.header.title


Aggregate = Literal["event_count", "value_count", "temporal", "temporal_ordered", "value_sum", "value_avg", "value_percentile"]


@dataclass(frozen=True, slots=True)
class RuleRef:
    """A leaf of an extended correlation condition: a rule, by id or name."""

    rule: str


@dataclass(frozen=True, slots=True)
class RefAll:
    nodes: tuple[RefNode, ...]


@dataclass(frozen=True, slots=True)
class RefSome:
    nodes: tuple[RefNode, ...]
    count: int = 1


@dataclass(frozen=True, slots=True)
class RefNot:
    node: RefNode


RefNode = RuleRef | RefAll | RefSome | RefNot


@dataclass(frozen=True, slots=True)
class Threshold:
    """The condition of a correlation: every (operator, number) must hold. `fields`: whose values are counted or
    summed."""

    tests: tuple[tuple[str, float], ...]
    fields: tuple[str, ...] = ()
    percentile: float | None = None


@dataclass(frozen=True, slots=True)
class Correlation:
    """A correlation rule. `rules` are ids after resolution. `aliases`: (alias, rule id, field). `timespan` in
    seconds."""

    header: Header
    type: Aggregate
    rules: tuple[str, ...]
    group_by: tuple[str, ...] = ()
    timespan: int = 0
    threshold: Threshold | None = None
    expression: RefNode | None = None
    aliases: tuple[tuple[str, str, str], ...] = ()
    generate: bool = False
    keys: Keys = field(default_factory=Keys)

    @property
    def id(self) -> str:
        """The correlation's own id, its name where it has none, else `path:line`."""
        return self.header.id or self.header.name or f"{self.header.path}:{self.header.line}"

    @property
    def name(self) -> str:
        return self.header.name

    @property
    def title(self) -> str:
        return self.header.title


@dataclass(frozen=True, slots=True)
class Filter:
    """A global filter: its condition must not hold for the rules it names (empty: every rule of the log source)."""

    header: Header
    logsource: LogSource
    rules: tuple[str, ...]
    condition: Node


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All that was loaded. `version` is the sha256 of the content, file order not counting."""

    rules: tuple[Rule, ...] = ()
    correlations: tuple[Correlation, ...] = ()
    filters: tuple[Filter, ...] = ()
    errors: tuple[RuleError, ...] = ()
    version: str = ""
    files: int = 0
