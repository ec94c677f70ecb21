r"""What IIS on a stock Exchange server is configured with.

The table (`data/iis_baseline.csv`) comes from a few lab servers. What it does not hold is "unknown", never by that
alone malicious. A known name with another image is the case to look at: intruders name their modules after stock ones.
"""

from __future__ import annotations

import re
from functools import cache

from afterpatch.knowledge.data_files import table
from afterpatch.knowledge.web_paths import VirtualDirectory, virtual_directories

GRADES = ("stock", "optional", "other-image", "other-name", "unknown")
_WINDOWS = re.compile(r"^(?:%windir%|%systemroot%|[a-z]:\\windows)(?=\\)")
_SYSTEM_DRIVE = re.compile(r"^(?:%systemdrive%|[a-z]:)(?=\\)")
_EXCHANGE = re.compile(r"^(?:%exchangeinstallpath%\\*|\{exchange\}\\)")
_NUMBERED = re.compile(r"^abomappercustom-\d+$")
# Absent for a good reason: the mitigation of CVE-2023-21709 removes it.
MAY_BE_ABSENT = frozenset({"TokenCacheModule", "RewriteModule"})


def _plain(path: str) -> str:
    r"""Lower case with `%windir%` for the Windows folder, however it is written."""
    return _WINDOWS.sub("%windir%", re.sub(r"[\\/]+", r"\\", path.strip().strip('"')).lower())


def _same_file(stock: str, path: str, install_path: str) -> bool:
    """Whether a path is the stock one. Without a known install folder any folder may stand in its place."""
    stock, path = _plain(stock), _plain(path)
    if not stock.startswith("{exchange}"):
        return _SYSTEM_DRIVE.sub("", stock) == _SYSTEM_DRIVE.sub("", path) if "%systemdrive%" in stock else stock == path
    below = stock.removeprefix("{exchange}")
    if _EXCHANGE.match(path):
        return "\\" + _EXCHANGE.sub("", path) == below
    if install_path:
        return path == _plain(install_path).rstrip("\\") + below
    return path.endswith(below)


@cache
def _section(name: str) -> tuple[tuple[str, str, str], ...]:
    """(name, path, target) of a section, as written."""
    return tuple((row["name"], row["path"], row["target"]) for row in table("iis_baseline.csv") if row["section"] == name)


def grade_global_module(name: str, image: str, install_path: str = "") -> str:
    """One of GRADES. other-image: a stock name with another file. other-name: a stock file under another name."""
    for section, grade in (("globalModules", "stock"), ("optionalGlobalModules", "optional")):
        for stock_name, _, stock_image in _section(section):
            if _same_file(stock_image, image, install_path) and (grade == "optional" or stock_name.lower() == name.lower()):
                return grade
    if any(stock_name.lower() == name.lower() for stock_name, _, _ in _section("globalModules")):
        return "other-image"
    if any(_same_file(stock_image, image, install_path) for _, _, stock_image in _section("globalModules")):
        return "other-name"
    return "unknown"


def stock_images() -> frozenset[str]:
    """File names (lower case) of the native modules and filters that IIS and Exchange bring."""
    sections = ("globalModules", "optionalGlobalModules", "isapiFilters")
    return frozenset(_plain(row[2]).rpartition("\\")[2] for section in sections for row in _section(section)) - {""}


def is_stock_global_module(name: str, image: str, install_path: str = "") -> bool:
    """Whether a native module is one of Exchange's or IIS's own, by name and image, or an optional feature of IIS."""
    return grade_global_module(name, image, install_path) in ("stock", "optional")


def is_stock_module(name: str, type_: str = "") -> bool:
    """Whether a `<modules>` entry is stock: a native one by name (`type_` empty), a managed one by name and type (the
    assembly part is not compared)."""
    wanted = (name.lower(), type_.split(",")[0].strip().lower())
    natives = {entry[0].lower() for entry in _section("globalModules") + _section("optionalGlobalModules")}
    known = {(entry[0].lower(), entry[2].lower()) for entry in _section("modules")}
    return wanted in known or (not wanted[1] and wanted[0] in natives)


def claims_microsoft_type(type_: str) -> bool:
    """Whether a type name lies in a name space of the framework or of Exchange. Anybody can name a type so: it lowers
    the weight of an unknown entry and proves nothing."""
    return type_.startswith(("System.Web.", "System.ServiceModel.", "Microsoft.Exchange."))


def is_stock_isapi_filter(name: str, path: str, install_path: str = "") -> bool:
    """Whether an ISAPI filter is stock, by name and file."""
    return any(
        stock_name.lower() == name.lower() and _same_file(stock_path, path, install_path)
        for stock_name, _, stock_path in _section("isapiFilters")
    )


def is_stock_handler(name: str, path: str, type_: str = "", modules: str = "", script_processor: str = "") -> bool:
    """Whether a `<handlers>` entry is stock, by name, path and what it hands the request to."""
    target = type_.split(",")[0].strip() or " ".join(part for part in (modules, _plain(script_processor)) if part)
    key = name.lower()
    if _NUMBERED.match(key):
        key = "abomappercustom-*"
    return (key, path.lower(), target.lower()) in _handlers()


@cache
def _handlers() -> frozenset[tuple[str, str, str]]:
    return frozenset((name.lower(), path.lower(), target.lower()) for name, path, target in _section("handlers"))


def is_stock_application_pool(name: str) -> bool:
    """Whether setup or IIS makes a pool of this name."""
    return name.lower() in {entry[0].lower() for entry in _section("applicationPools")}


def is_stock_clr_config(path: str, install_path: str = "") -> bool:
    """Whether a pool's CLRConfigFile is one that setup sets (any other file can load code into the pool)."""
    return any(_same_file(target, path, install_path) for _, _, target in _section("clrConfigFiles"))


def stock_virtual_directory(site: str, path: str) -> VirtualDirectory | None:
    """The stock web folder at a place: `path` is application path and virtual directory path together."""
    wanted = path.rstrip("/").lower() or "/"
    for item in virtual_directories():
        if item.site.lower() == site.lower() and item.path.lower() == wanted:
            return item
    return None


def is_stock_virtual_directory(site: str, path: str, physical_path: str, install_path: str = "") -> bool:
    """Whether a virtual directory is one of setup's and serves the folder it should."""
    stock = stock_virtual_directory(site, path)
    return stock is not None and _same_file(stock.folder, physical_path.rstrip("\\"), install_path)
