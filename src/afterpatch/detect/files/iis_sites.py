"""Where IIS serves files from, and whether it writes its log."""

from __future__ import annotations

from collections.abc import Iterable

from afterpatch.detect.files.item import FileFinding
from afterpatch.detect.files.names import hidden_folder, path_tricks
from afterpatch.detect.files.paths import normal
from afterpatch.detect.files.setting import Setting, in_drop_folder
from afterpatch.knowledge import iis_baseline
from afterpatch.parsers.iisconfig import IisConfig, UrlMapping
from afterpatch.parsers.sections import Entry, is_true

_STOCK_SITES = ("default web site", "exchange back end")
_EXCHANGE_2010 = "\\exchange server\\v14\\clientaccess\\"
_WEB_TREES = ("\\frontend\\httpproxy\\", "\\clientaccess\\", "\\inetpub\\", "\\windows\\system32\\rpcproxy")


def directories(config: IisConfig, setting: Setting) -> Iterable[FileFinding]:
    """Sites, applications and virtual directories that setup does not make, or that serve another folder. Exchange
    2010, whose stock list is not held, serves everything from its own ClientAccess folder."""
    for mapping in config.mappings():
        stock = iis_baseline.is_stock_virtual_directory(
            mapping.site_name, mapping.url, mapping.physical_path, setting.install_path
        )
        if not stock and _EXCHANGE_2010 not in normal(setting.expand(mapping.physical_path)):
            yield _added(mapping, setting)


def _added(mapping: UrlMapping, setting: Setting) -> FileFinding:
    target = setting.expand(mapping.physical_path)
    facts = {"site": mapping.site_name, "url": mapping.url, "folder": mapping.physical_path, "pool": mapping.pool}
    segments = normal(target).split("\\")
    odd = bool(path_tricks(target)) or any(hidden_folder().fullmatch(part) for part in segments[-3:])
    if in_drop_folder(target) and "\\inetpub\\wwwroot\\" not in normal(target):
        return setting.fire("iis-directory-in-drop-place", mapping.line, target, facts, severity="critical" if odd else "high")
    if path_tricks(target):
        return setting.fire("iis-directory-in-drop-place", mapping.line, target, facts, severity="critical")
    stock = iis_baseline.stock_virtual_directory(mapping.site_name, mapping.url)
    known_tree = any(tree in normal(target) + "\\" for tree in _WEB_TREES)
    if stock is not None and stock.path != "/":
        changes = {"severity": "low"} if known_tree else {}
        return setting.fire("iis-directory-moved", mapping.line, target, {**facts, "stock folder": stock.folder}, **changes)
    severity = "low" if known_tree or mapping.site_name.lower() not in _STOCK_SITES else "medium"
    return setting.fire("iis-directory-added", mapping.line, target, facts, severity=severity)


def logging(config: IisConfig, setting: Setting) -> Iterable[FileFinding]:
    """Sites whose requests are not logged, or are logged elsewhere."""
    for site in config.sites:
        log = config.log_of(site)
        stock = site.name.lower() in _STOCK_SITES
        if log.enabled is False:
            facts = {"site": site.name, "setting": "logFile enabled=false"}
            yield setting.fire("iis-logging-off", log.line or site.line, facts=facts, severity="high" if stock else "low")
        elif log.targets and "file" not in log.targets.lower():
            facts = {"site": site.name, "setting": f"logTargetW3C={log.targets}"}
            yield setting.fire("iis-logging-off", log.line or site.line, facts=facts, severity="medium")
        if "\\inetpub\\logs\\logfiles" not in normal(log.directory):
            facts = {"site": site.name, "folder": log.directory}
            yield setting.fire("iis-logging-moved", log.line or site.line, setting.expand(log.directory), facts)


def without_log(entries: Iterable[Entry], setting: Setting) -> Iterable[FileFinding]:
    """`httpLogging dontLog` per location; used by iis_code for both kinds of file."""
    for entry in entries:
        if is_true(entry.attributes.get("dontLog"), default=False):
            where = entry.location
            facts = {"location": where or "(everything in the file's scope)", "setting": "httpLogging dontLog=true"}
            yield setting.fire("iis-logging-off", entry.line, facts=facts, severity="medium" if where else "high")
