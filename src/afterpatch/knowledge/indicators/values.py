"""Values: defanged forms undone, types guessed, each type brought into one comparable form."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from afterpatch.knowledge.indicators.model import HASHES
from afterpatch.knowledge.web_paths import fold

LONGEST = 2048
_WIDEST = {4: 8, 6: 16}  # shorter prefixes would match half of the internet
_PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in (
        *(
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.168.0.0/16",
        ),
        *("224.0.0.0/4", "240.0.0.0/4", "::/127", "fc00::/7", "fe80::/10", "ff00::/8"),
    )
)  # documentation ranges are not in the list: they harm nobody and examples need them
_DEFANGED = (
    (re.compile(r"^h(?:xx|XX|\*\*|__)p", re.ASCII), "http"),
    (re.compile(r"^fxp(?=s?:|\[)", re.ASCII | re.IGNORECASE), "ftp"),
    (re.compile(r"[\[({]\s*(?:\.|dot|DOT)\s*[\])}]", re.ASCII), "."),
    (re.compile(r"\[(:|://|@|/)\]"), r"\1"),
    (re.compile(r"\\\.(?=[a-z0-9])", re.ASCII | re.IGNORECASE), "."),
)
_HEX = {32: "md5", 40: "sha1", 64: "sha256"}
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?:[a-z]{{2,63}}|xn--[a-z0-9-]{{1,59}})\Z", re.ASCII)
_URL = re.compile(r"(?:https?|ftp|ws|wss)://[^\s/]", re.ASCII | re.IGNORECASE)
_WINDOWS_PATH = re.compile(r"(?:[a-z]:[\\/]|\\\\|%[a-z]+%\\|\\[\w$. -]+\\)", re.IGNORECASE)
_AGENT = re.compile(r"[A-Za-z][\w.!-]{1,40}/v?\d[\w.]*(?:[ ,;(+].*)?\Z", re.ASCII)
_NAME = re.compile(r"[^\\/:*?\"<>|\x00-\x1f]{1,120}\.[A-Za-z0-9_]{1,10}\Z")
# A dotted name that ends so is a file before it is a domain.
_FILE_ENDINGS = frozenset(
    re.findall(
        r"\S+",
        "aspx ashx asmx asax ascx asp php jsp jspx dll exe sys bat cmd ps1 psm1 vbs js hta txt log zip rar 7z cab dmp"
        " tmp png gif jpg config compiled dat db msi lnk iso pst sh py pl so cer pem crt doc docx xls xlsx pdf",
    )
)


class RefusedError(ValueError):
    """The value cannot be used. `key` is indicator-empty, -too-long, -private-address, -wide-network or -not-valid."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(key)


def refang(text: str) -> str:
    """Undoes the usual ways of making a value harmless to click: hxxp, [.], (.), [dot], [:]."""
    text = text.strip()[: LONGEST + 1]
    for pattern, plain in _DEFANGED:
        text = pattern.sub(plain, text)
    return text


def guess(text: str) -> str:
    """The type of a refanged value, or "" where none fits."""
    lower = text.lower()
    if _address(text) is not None:
        return "ip"
    if len(text) in _HEX and re.fullmatch(r"[0-9a-f]+", lower):
        return _HEX[len(text)]
    if _URL.match(text):
        return "url"
    if _WINDOWS_PATH.match(text):
        return "folder" if text.endswith("\\") else "path"
    if text.startswith("/") and len(text) > 1 and not re.search(r"\s", text):
        return "url-path"
    return _guess_name(text, lower)


def _guess_name(text: str, lower: str) -> str:
    ending = lower.rsplit(".", 1)[-1]
    if _DOMAIN.match(lower.rstrip(".")) and ending not in _FILE_ENDINGS:
        return "domain"
    if _AGENT.match(text):
        return "user-agent"
    if _NAME.match(text) and ending in _FILE_ENDINGS:
        return "file-name"
    return ""


def _address(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """An address, with or without port, brackets, zone or prefix length, as a network."""
    text = text.strip()
    match = re.match(r"\[([0-9a-fA-F:.]+)\](?::\d{1,5})?\Z", text) or re.match(r"(\d+\.\d+\.\d+\.\d+):\d{1,5}\Z", text)
    if match:
        text = match.group(1)
    try:
        network = ipaddress.ip_network(text.split("%")[0], strict=False)
    except ValueError:
        return None
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen == 128:
        mapped = network.network_address.ipv4_mapped
        return ipaddress.ip_network(mapped) if mapped else network
    return network


def normalise(kind: str, value: str) -> str:
    """The comparable form of a value of a type. Raises RefusedError.

    Addresses and networks in canonical text; domains without a closing dot; URLs with scheme and host in lower case and
    no default port; hashes in lower case; agents as `agent_key`; file names, paths and folders in lower case, paths as
    `web_paths.fold`, folders with a closing backslash; URL paths in lower case without query.
    """
    value = value.strip()
    if not value:
        raise RefusedError("indicator-empty")
    if len(value) > LONGEST:
        raise RefusedError("indicator-too-long")
    if kind in HASHES:
        return _hash(kind, value)
    rule = {"ip": _ip, "domain": _domain, "url": _url, "user-agent": agent_key, "path": fold, "folder": _folder}.get(kind)
    found = rule(value) if rule else value.lower()
    if kind == "url-path":
        found = found.split("?")[0]
    if kind == "file-name":
        found = re.split(r"[\\/]", found)[-1]
    if not found:
        raise RefusedError("indicator-empty")
    return found


def _hash(kind: str, value: str) -> str:
    value = value.lower()
    if _HEX.get(len(value)) != kind or not re.fullmatch(r"[0-9a-f]+", value):
        raise RefusedError("indicator-not-valid")
    return value


def _ip(value: str) -> str:
    network = _address(value)
    if network is None:
        raise RefusedError("indicator-not-valid")
    if network.prefixlen < _WIDEST[network.version]:
        raise RefusedError("indicator-wide-network")
    for private in _PRIVATE:
        if private.version == network.version and network.subnet_of(private):  # type: ignore[arg-type]
            raise RefusedError("indicator-private-address")
    whole = network.prefixlen == network.max_prefixlen
    return str(network.network_address if whole else network)


def _domain(value: str) -> str:
    value = value.lower().rstrip(".").removeprefix("*.")
    if not value.isascii():
        try:
            value = value.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise RefusedError("indicator-not-valid") from error
    if not _DOMAIN.match(value) or len(value) > 253:
        raise RefusedError("indicator-not-valid")
    return value


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise RefusedError("indicator-not-valid") from error
    if not host:
        raise RefusedError("indicator-not-valid")
    scheme = parts.scheme.lower()
    default = {"http": 80, "https": 443, "ftp": 21}.get(scheme)
    shown = f"[{host}]" if ":" in host else host
    place = shown if port in (None, default) else f"{shown}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{scheme}://{place}{parts.path or '/'}{query}"


def _folder(value: str) -> str:
    return fold(value).rstrip("\\") + "\\"


def agent_key(value: str) -> str:
    """A client string as IIS (spaces as `+`) and HttpProxy logs (commas lost) both can show it."""
    return re.sub(r"[\s+,]+", " ", value).strip().lower()
