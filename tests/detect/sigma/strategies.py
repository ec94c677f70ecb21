"""Random rules and records. The alphabet is small so that they meet often."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

FIELDS = ("F", "G", "H", "sc-status")
LETTERS = "abAB*?\\-/ .%1\u00e9\u212a\u03a3"
plain_text = st.text(alphabet=LETTERS, max_size=6)
values = st.one_of(
    plain_text,
    st.sampled_from(["2021-03-03T06:59:10.817Z", "2021-12-31", "06:59:10", "192.0.2.7", "fe80::1%3", "5", "-1.5", "200", ""]),
)


@dataclass(frozen=True)
class Spec:
    """A selection as YAML-able data."""

    key: str
    values: list[object] = field(default_factory=list)


def _quoted(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)


def render(key: str, listed: list[object]) -> str:
    """A selection with one field, as flow YAML."""
    shown = ", ".join(_quoted(value) for value in listed)
    return f"{{{_quoted(key)}: [{shown}]}}" if key else f"[{shown}]"


_SAFE_REGEX = st.sampled_from(["a.b", "^a+b?$", "[ab]{2}", "(a|b)c?", r"\d+", "a|1", r"\bab", "(?i)AB", "a*b"])


@st.composite
def selections(draw: st.DrawFn) -> str:
    """One field with modifiers and values that load."""
    name = draw(st.sampled_from(FIELDS))
    kind = draw(st.sampled_from(["text", "text", "text", "regex", "number", "time", "null", "exists", "cidr", "ref", "keyword"]))
    if kind == "text":
        modifiers = draw(
            st.sampled_from(
                [
                    "",
                    "|contains",
                    "|startswith",
                    "|endswith",
                    "|contains|all",
                    "|cased",
                    "|contains|cased",
                    "|windash|contains",
                    "|neq",
                    "|contains|neq",
                ]
            )
        )
        return render(
            name + modifiers,
            draw(st.lists(st.one_of(plain_text, st.sampled_from([5, 200, True])), min_size=1, max_size=3))
            if "cased" not in modifiers and "contains" not in modifiers and "with" not in modifiers
            else draw(st.lists(plain_text, min_size=1, max_size=3)),
        )
    if kind == "regex":
        flags = draw(st.sampled_from(["", "|i", "|s", "|i|m"]))
        return render(f"{name}|re{flags}", [draw(_SAFE_REGEX)])
    if kind == "number":
        op = draw(st.sampled_from(["lt", "lte", "gt", "gte"]))
        return render(f"{name}|{op}", [draw(st.sampled_from([-1.5, 0, 5, 200]))])
    if kind == "time":
        part, value = draw(st.sampled_from([("hour", 6), ("minute", 59), ("day", 3), ("week", 9), ("month", 12), ("year", 2021)]))
        return render(f"{name}|{part}" + draw(st.sampled_from(["", "|gte"])), [value])
    if kind == "null":
        return render(name, [None])
    if kind == "exists":
        return render(f"{name}|exists", [draw(st.booleans())])
    if kind == "cidr":
        return render(f"{name}|cidr", [draw(st.sampled_from(["192.0.2.0/24", "fe80::/10", "0.0.0.0/0"]))])
    if kind == "ref":
        mode = draw(st.sampled_from(["", "|contains", "|startswith", "|endswith", "|cased", "|neq"]))
        return render(f"{name}|fieldref{mode}", [draw(st.sampled_from(FIELDS))])
    return render("", [draw(st.text(alphabet="abAB1", min_size=1, max_size=3))])


@st.composite
def conditions(draw: st.DrawFn, names: tuple[str, ...], depth: int = 3) -> str:
    """A condition over the names."""
    kind = draw(st.sampled_from(["name", "name", "and", "or", "not", "of"] if depth else ["name"]))
    if kind == "name":
        return draw(st.sampled_from(names))
    if kind == "not":
        return "not (" + draw(conditions(names, depth - 1)) + ")"
    if kind == "of":
        return draw(st.sampled_from(["1 of them", "all of them", "any of s*", "1 of s*", "2 of them", "all of s*"]))
    parts = draw(st.lists(conditions(names, depth - 1), min_size=2, max_size=3))
    return "(" + f" {kind} ".join(parts) + ")"


@st.composite
def detections(draw: st.DrawFn) -> str:
    """A detection section that loads."""
    count = draw(st.integers(2, 4))
    names = tuple(f"s{index}" for index in range(count))
    lines = [f"{name}: {draw(selections())}" for name in names]
    return "\n".join([*lines, f"condition: {draw(conditions(names))}"])


records = st.dictionaries(st.sampled_from(FIELDS), values, max_size=4)
