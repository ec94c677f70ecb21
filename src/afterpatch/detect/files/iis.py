"""IIS configuration against the stock lists: applicationHost.config and every web.config."""

from __future__ import annotations

from collections.abc import Iterable

from afterpatch.detect.files import iis_code, iis_server, iis_sites, iis_web
from afterpatch.detect.files.item import FileContext, FileFinding, FileItem
from afterpatch.detect.files.metadata import load_table
from afterpatch.detect.files.paths import file_name, normal, place_of
from afterpatch.detect.files.setting import Setting
from afterpatch.parsers.iisconfig import parse_iis_config
from afterpatch.parsers.webconfig import parse_web_config

_NAMES = ("web.config", "sharedwebconfig.config")
MAX_CONFIG = 2 * 1024 * 1024  # the largest stock one, SharedWebConfig.config, has 1.6 MB
HISTORY = "\\inetpub\\history\\"


def is_server_config(item: FileItem) -> bool:
    """applicationHost.config as it is now; copies in the history folder are compared elsewhere."""
    if item.artifact.kind == "iis-config-history" or HISTORY in normal(item.path):
        return False
    return item.artifact.kind == "iis-config" or file_name(item.path).lower() == "applicationhost.config"


def is_web_config(item: FileItem, context: FileContext) -> bool:
    """web.config and SharedWebConfig.config, wherever they lie, and other .config files in web folders."""
    name = file_name(item.path).lower()
    if name in _NAMES:
        return True
    if item.artifact.kind == "web-config":
        return name.endswith(".config")
    return name.endswith(".config") and name != "applicationhost.config" and place_of(item.path, context.facts).web


class IisAnalyser:
    """Modules, handlers, filters, directories, pools, logging, keys, rewrite rules, code beside the XML."""

    name = "iis"
    artifacts = ("iis-config", "web-config")
    detections = tuple(load_table("iis"))

    def analyse(self, item: FileItem, context: FileContext) -> Iterable[FileFinding]:
        """Findings of one configuration file; what of it cannot be read becomes a notice."""
        if is_server_config(item):
            config = parse_iis_config(item.content, item.artifact.shown)
            context.notices.extend(config.notices)
            setting = Setting(item, context)
            yield from iis_server.modules(config, setting)
            yield from iis_server.pools(config, setting)
            yield from iis_server.programs(config, setting)
            yield from iis_sites.directories(config, setting)
            yield from iis_sites.logging(config, setting)
            yield from iis_code.sections(config.sections, setting)
        elif is_web_config(item, context):
            web = parse_web_config(item.content[:MAX_CONFIG], item.artifact.shown)
            if web.root_name != "configuration" and file_name(item.path).lower() not in _NAMES:
                return  # a data file that an application calls .config
            context.notices.extend(web.notices)
            if len(item.content) > MAX_CONFIG:
                context.notice(item, "", f"notice.config-cut: {MAX_CONFIG} bytes")
            setting = Setting(item, context)
            yield from iis_web.around(web, setting)
            yield from iis_web.hooks(web, setting)
            yield from iis_code.sections(web.sections, setting)
