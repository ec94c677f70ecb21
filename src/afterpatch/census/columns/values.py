"""What a text of an inventory or scan means: host, day, country, network. One function a column; each is asked once for
every distinct text of a block."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from ipaddress import ip_address

from afterpatch.knowledge import builds

LONGEST_CELL = 1000
DAY_CELL = 10  # of a date, what is looked at: times of day would make every text another one
NO_DAY = 0  # 1970-01-01
_EPOCH = date(1970, 1, 1).toordinal()
_DAYS = date(1990, 1, 1).toordinal() - _EPOCH, date(2100, 1, 1).toordinal() - _EPOCH
_YEAR_FIRST = re.compile(r"(\d{4})[-/.]?(\d\d?)[-/.]?(\d\d?)(?!\d)", re.ASCII)
_DAY_FIRST = re.compile(r"(\d\d?)\.(\d\d?)\.(\d{4})", re.ASCII)
_MONTH_FIRST = re.compile(r"(\d\d?)/(\d\d?)/(\d{4})", re.ASCII)
_SECONDS = re.compile(r"\d{10}\Z", re.ASCII)
_NETWORK = re.compile(r"(?:ASN?)?[ :]*(\d{1,10})(?:\D|\Z)", re.ASCII | re.IGNORECASE)
_PLACE = re.compile(r"(?:[a-z][a-z0-9+.-]{0,15}://)?(?:[^/@\s]*@)?(\[[^\]]{2,60}\]|[^/?#]*)", re.ASCII | re.IGNORECASE)
_BUILD = re.compile(r"(?<![\d.])(?:8|14|15)\.\d{1,2}\.\d{1,5}(?:\.\d{1,5})?(?![\d.]*\d)", re.ASCII)
_WORDS = re.compile(
    r"\b(2007|2010|2013|2016|2019|SE)\b(?:.*?\b((?:CU|Cumulative Update) ?\d{1,2}|(?:SP|Service Pack) ?\d|RTM)\b)?",
    re.ASCII | re.IGNORECASE,
)
_ORDINARY = re.compile(r"[A-Za-z0-9._-]+\Z", re.ASCII)
_EXCHANGE = re.compile(r"exchange|outlook|\bowa\b|esmtp mail service", re.IGNORECASE)
_PORT = re.compile(r":\d{0,5}\Z", re.ASCII)


def decoded(raw: bytes) -> str | None:
    """A cell as text, None where it is no UTF-8; one that was cut may end in the middle of a character."""
    try:
        return raw.decode("utf-8", "replace" if len(raw) >= LONGEST_CELL else "strict")
    except UnicodeDecodeError:
        return None


def host(text: str) -> str:
    """An address or a name, without scheme, port, path, brackets and the dot at the end; IPv6 in its short form."""
    if _ORDINARY.match(text) and not text.endswith("."):
        return text[:LONGEST_CELL]
    text = text.strip()[:LONGEST_CELL]
    if text.count(":") > 1 and "/" not in text and "[" not in text:
        return _address(text)
    found = _PLACE.match(text)
    inner = found[1].strip() if found is not None else text
    if inner.startswith("["):
        return _address(inner.strip("[]"))
    return _PORT.sub("", inner).rstrip(".") if inner.count(":") == 1 else inner.rstrip(".")


def _address(text: str) -> str:
    try:
        return ip_address(text.partition("%")[0]).compressed
    except ValueError:
        return text


def day(text: str) -> int:
    """Days since 1970 of a date in a common form, or NO_DAY: 2021-03-05, 20210305, 2021/3/5, 5.3.2021, 3/5/2021 (month
    first, unless it can be none), seconds or milliseconds since 1970."""
    text = text.strip()[:DAY_CELL]
    try:
        if _SECONDS.match(text):
            found = datetime.fromtimestamp(int(text[:10]), UTC).date()
        elif match := _YEAR_FIRST.match(text):
            found = date(int(match[1]), int(match[2]), int(match[3]))
        elif match := _DAY_FIRST.match(text):
            found = date(int(match[3]), int(match[2]), int(match[1]))
        elif match := _MONTH_FIRST.match(text):
            first, second = int(match[1]), int(match[2])
            found = date(int(match[3]), *((second, first) if first > 12 else (first, second)))
        else:
            return NO_DAY
    except (ValueError, OverflowError, OSError):
        return NO_DAY
    number = found.toordinal() - _EPOCH
    return number if _DAYS[0] <= number <= _DAYS[1] else NO_DAY


def network(text: str) -> int:
    """The number of a network (`64500`, `AS64500`, `ASN 64500`), 0 for none."""
    found = _NETWORK.match(text.strip())
    number = int(found[1]) if found is not None else 0
    return number if 0 < number < 1 << 32 else 0


def country(text: str) -> str:
    """A country's code in capitals, or its name as given."""
    text = " ".join(text.split())[:60]
    return text.upper() if len(text) == 2 else text


def short(text: str) -> str:
    """A sector or an owner on one line."""
    return " ".join(text.split())[:120]


def version(text: str) -> str:
    """A version as given, bounded; out of a longer text the build in it, else what its words say (`2016 CU19`: the
    cumulative update, `Exchange 2016`: the product)."""
    text = text.strip()[:200]
    if not text or builds.Build.try_parse(text) is not None:
        return text[:80]
    if found := _BUILD.search(text):
        return found[0]
    named = _WORDS.search(text)
    return _named(named[1].upper(), named[2] or "") if named is not None else text[:80]


def _named(product: str, update: str) -> str:
    wanted = " ".join(update.upper().split()).replace("CUMULATIVE UPDATE", "CU").replace("SERVICE PACK", "SP")
    wanted = wanted.replace("CU ", "CU").replace("SP ", "SP")
    for branch in builds.branches().values():
        if branch.product == f"Exchange {product}" and wanted and branch.cu.upper() == wanted:
            return ".".join(str(part) for part in branch.key)
    first = next((key for key, branch in builds.branches().items() if branch.product == f"Exchange {product}"), ())
    return f"{first[0]}.{first[1]}" if len(first) > 1 and product != "SE" else ""


def other_product(text: str) -> int:
    """1 where a product's name is that of something else than Exchange."""
    return int(bool(text.strip()) and _EXCHANGE.search(text) is None)


def is_build(text: str) -> bool:
    """Whether a version is a build of Exchange with at least three parts."""
    found = builds.Build.try_parse(text)
    return found is not None and found.parts > 2


def tags(text: str) -> str:
    """Tags as given, bounded."""
    return text.strip()[:LONGEST_CELL]
