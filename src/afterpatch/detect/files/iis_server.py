"""What IIS loads into every worker process: native modules, ISAPI filters, application pools."""

from __future__ import annotations

from collections.abc import Iterable

from afterpatch.detect.files.item import FileFinding
from afterpatch.detect.files.paths import file_name, normal
from afterpatch.detect.files.setting import Setting, bad_image, in_drop_folder, known
from afterpatch.knowledge import iis_baseline
from afterpatch.parsers.iisconfig import IisConfig, Pool
from afterpatch.parsers.sections import Entry, is_true

_GRADES = {"other-image": "critical", "other-name": "medium", "unknown": "medium"}


def modules(config: IisConfig, setting: Setting) -> Iterable[FileFinding]:
    """Native modules that neither IIS nor Exchange has, and stock names with another library behind them."""
    for entry in config.global_modules:
        if entry.action == "add":
            yield from _native(entry, setting)
    for provider in config.auto_start_providers:
        if provider.action == "add":
            facts = {"name": provider.name, "type": provider.get("type")}
            yield setting.fire("iis-auto-start", provider.line, facts=facts)


def _native(entry: Entry, setting: Setting) -> Iterable[FileFinding]:
    image = entry.get("image")
    grade = iis_baseline.grade_global_module(entry.name, image, setting.install_path)
    if grade in ("stock", "optional"):
        return
    target = setting.expand(image)
    facts = {"name": entry.name, "image": image, "grade": grade}
    if bad_image(image):
        yield setting.fire("iis-module-known-bad", entry.line, target, facts)
    elif in_drop_folder(target):
        yield setting.fire("iis-module-unknown", entry.line, target, facts, severity="critical", confidence="high")
    else:
        yield setting.fire("iis-module-unknown", entry.line, target, facts, severity=_GRADES[grade])


def filters(entries: Iterable[Entry], setting: Setting) -> Iterable[FileFinding]:
    """ISAPI filters other than those of ASP.NET and Exchange; they see passwords after decryption."""
    for entry in entries:
        path = entry.get("path")
        if entry.action != "add" or iis_baseline.is_stock_isapi_filter(entry.name, path, setting.install_path):
            continue
        target = setting.expand(path)
        worst = bad_image(path) or in_drop_folder(target)
        grade = {"severity": "critical", "confidence": "moderate"} if worst else {}
        facts = {"name": entry.name, "file": path, "location": entry.location}
        yield setting.fire("iis-isapi-filter-unknown", entry.line, target, facts, **grade)


def pools(config: IisConfig, setting: Setting) -> Iterable[FileFinding]:
    """Pools that load code by configuration, and unknown pools that run as SYSTEM."""
    for pool in config.pools:
        yield from _loads(pool, setting)
        identity = pool.process.get("identityType", "")
        if identity.lower() == "localsystem" and not iis_baseline.is_stock_application_pool(pool.name):
            yield setting.fire("iis-pool-unknown", pool.line, facts={"pool": pool.name, "identity": identity})


def _loads(pool: Pool, setting: Setting) -> Iterable[FileFinding]:
    config_file = pool.attributes.get("CLRConfigFile", "")
    if config_file and not iis_baseline.is_stock_clr_config(config_file, setting.install_path):
        target = setting.expand(config_file)
        stock_place = "\\exchange server\\v15\\bin\\" in normal(target)
        facts = {"pool": pool.name, "file": config_file}
        yield setting.fire("iis-pool-loads-code", pool.line, target, facts, severity="low" if stock_place else "high")
    for name, value in pool.environment.items():
        if name.lower() in known("profiler_variables"):
            facts = {"pool": pool.name, "variable": name, "value": value}
            yield setting.fire("iis-pool-loads-code", pool.line, facts=facts)


def programs(config: IisConfig, setting: Setting) -> Iterable[FileFinding]:
    """Extensions and CGI programs that IIS may run (isapiCgiRestriction): others than the stock ones, or all there are."""
    for entry in config.isapi_restrictions:
        for name in ("notListedIsapisAllowed", "notListedCgisAllowed"):
            if entry.action == "set" and is_true(entry.attributes.get(name), default=False):
                yield setting.fire("iis-program-allowed", entry.line, facts={"setting": f"{name}=true"})
        path = entry.get("path").partition("|")[0]
        allowed = is_true(entry.attributes.get("allowed"), default=False)
        if entry.action != "add" or not allowed or file_name(path).lower() in known("script_processors"):
            continue
        target = setting.expand(path)
        worst = bad_image(path) or in_drop_folder(target)
        grade = {"severity": "critical", "confidence": "moderate"} if worst else {}
        facts = {"program": path, "description": entry.get("description")}
        yield setting.fire("iis-program-allowed", entry.line, target, facts, **grade)
