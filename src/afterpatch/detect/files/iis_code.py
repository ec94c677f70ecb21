"""The sections that applicationHost.config and web.config share: what runs, and what is let through."""

from __future__ import annotations

from collections.abc import Iterable

from afterpatch.detect.files.iis_server import filters
from afterpatch.detect.files.iis_sites import without_log
from afterpatch.detect.files.item import FileFinding
from afterpatch.detect.files.paths import extensions, file_name, stem_and_extension
from afterpatch.detect.files.setting import Setting, bad_image, in_drop_folder, known
from afterpatch.knowledge import iis_baseline
from afterpatch.knowledge.baseline import is_shipped_page
from afterpatch.parsers.sections import Entry, RewriteRule, Sections, is_true


def sections(given: Sections, setting: Setting) -> Iterable[FileFinding]:
    """Findings of the shared sections."""
    yield from _modules(given.modules, setting)
    yield from _handlers(given.handlers, setting)
    yield from filters(given.isapi_filters, setting)
    yield from without_log(given.http_logging, setting)
    yield from _filtering(given.request_filtering, setting)
    yield from _keys(given, setting)
    yield from _rewrites(given.rewrite_rules, setting)


def _token(type_text: str) -> str:
    return type_text.lower().replace(" ", "").partition("publickeytoken=")[2].split(",")[0]


def foreign_type(type_text: str) -> bool:
    """Whether a type is none of the framework's or Exchange's by its name space, or claims to be with another
    publisher's key."""
    token = _token(type_text)
    if token and token not in known("microsoft_tokens"):
        return True
    return not iis_baseline.claims_microsoft_type(type_text) and not type_text.startswith("System.")


def _modules(entries: Iterable[Entry], setting: Setting) -> Iterable[FileFinding]:
    for entry in entries:
        type_text = entry.get("type")
        if entry.action != "add" or not type_text or iis_baseline.is_stock_module(entry.name, type_text):
            continue
        facts = {"name": entry.name, "type": type_text, "location": entry.location}
        if any(word in type_text.lower() for word in known("bad_types")):
            yield setting.fire("iis-module-known-bad", entry.line, facts=facts)
        elif foreign_type(type_text):
            yield setting.fire("iis-managed-module-foreign", entry.line, facts=facts)


def _handlers(entries: Iterable[Entry], setting: Setting) -> Iterable[FileFinding]:
    for entry in entries:
        if entry.action != "add":
            continue
        path, type_text, modules = entry.get("path"), entry.get("type"), entry.get("modules")
        processor = entry.get("scriptProcessor").split("|")[0]
        if iis_baseline.is_stock_handler(entry.name, path, type_text, modules, processor):
            continue
        facts = {"name": entry.name, "path": path, "type": type_text, "program": processor, "location": entry.location}
        severity = _odd_mapping(path, type_text, processor, modules)
        if severity:
            yield setting.fire("iis-handler-odd-extension", entry.line, facts=facts, severity=severity)
        elif type_text and foreign_type(type_text):
            yield setting.fire("iis-handler-foreign", entry.line, facts=facts)
        elif processor and file_name(processor).lower() not in known("script_processors"):
            target = setting.expand(processor)
            worst = bad_image(processor) or in_drop_folder(target)
            grade = {"severity": "critical", "confidence": "moderate"} if worst else {}
            yield setting.fire("iis-handler-foreign", entry.line, target, facts, **grade)


def _odd_mapping(path: str, type_text: str, processor: str, modules: str) -> str:
    """Severity of a mapping that makes files run which do not on a stock server, "" where it is none."""
    engine = f"{type_text.split(',')[0].rpartition('.')[2]} {file_name(processor)} {modules}".lower().split()
    if not any(word in known("engines") for word in engine):
        return ""
    wanted = [part.strip().lower() for part in path.split(",")]
    found = {"." + part.rpartition(".")[2] for part in wanted if "." in part}
    if "*" in wanted or found & known("static_extensions") - {".xml"}:
        return "critical"
    if found & known("forbidden") and type_text:
        return "high"
    return "high" if found - known("engine_extensions") - {"."} else ""


def _filtering(entries: Iterable[Entry], setting: Setting) -> Iterable[FileFinding]:
    for entry in entries:
        segment, extension = entry.get("segment").lower(), entry.get("fileExtension").lower()
        opened = entry.action == "remove" or (extension and is_true(entry.attributes.get("allowed"), default=True))
        if opened and (segment in known("guarded_segments") or extension in known("guarded_extensions")):
            severity = "high" if segment == "web.config" or extension == ".config" else "medium"
            facts = {"let through": segment or extension, "location": entry.location}
            yield setting.fire("iis-filtering-hole", entry.line, facts=facts, severity=severity)
        elif entry.action == "clear" and entry.section.endswith(("hiddenSegments", "fileExtensions")):
            yield setting.fire("iis-filtering-hole", entry.line, facts={"let through": entry.section})


def _keys(given: Sections, setting: Setting) -> Iterable[FileFinding]:
    for entry in given.machine_keys:
        keys = [entry.get("validationKey"), entry.get("decryptionKey")]
        fixed = [key for key in keys if key and not key.lower().startswith("autogenerate")]
        if fixed:
            published = any(key.lower() in known("published_keys") for key in fixed)
            facts = {"published": "yes" if published else "no", "location": entry.location}
            severity = "medium" if published else "low"
            # the key itself is a secret of the victim: it does not go into reports
            yield setting.fire("iis-machine-key-fixed", entry.line, facts=facts, severity=severity, raw="<machineKey ...>")
    for entry in given.pages:
        if entry.action == "set" and not is_true(entry.attributes.get("enableViewStateMac"), default=True):
            yield setting.fire("iis-viewstate-unsigned", entry.line, facts={"location": entry.location})


def _rewrites(rules: Iterable[RewriteRule], setting: Setting) -> Iterable[FileFinding]:
    for rule in rules:
        if rule.action.get("type", "").lower() != "rewrite" or rule.kind == "outbound":
            continue
        url = rule.action.get("url", "")
        page = url.partition("?")[0]
        server_page = stem_and_extension(page.rpartition("/")[2])[1] in extensions("server")
        facts = {
            "rule": rule.name,
            "match": rule.match.get("url", ""),
            "url": url,
            "kind": rule.kind,
            "location": rule.location,
        }
        if server_page and not is_shipped_page("/" + page.lstrip("/")):
            yield setting.fire("iis-rewrite-to-page", rule.line, facts=facts)
        elif server_page or rule.kind == "global":
            yield setting.fire("iis-rewrite-to-page", rule.line, facts=facts, severity="medium", confidence="low")
