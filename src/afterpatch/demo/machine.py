"""The files of a working server that are no logs: IIS configuration, setup log, static web files, compiled pages."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Any
from xml.sax.saxutils import quoteattr

import yaml

from afterpatch.demo.ledger import Ledger
from afterpatch.demo.server import Server

TEMPORARY = "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\Temporary ASP.NET Files"
_FOLDERS = {
    "root": "e22c2559\\92c7e946",
    "owa": "8e05b027\\e164d61b",
    "ecp": "3f1c8a52\\b7d0e944",
    "oab": "5c2d9e1f\\07a4b3c8",
}


@lru_cache(maxsize=1)
def _iis() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(_text("iis.yml"))
    return loaded


def _text(name: str) -> str:
    return files("afterpatch.demo").joinpath(f"data/{name}").read_text(encoding="utf-8")


def furnish(ledger: Ledger, end: datetime) -> None:
    """Put the stock files of a server on its drives."""
    config = application_host(ledger.server).encode()
    ledger.put("C:\\Windows\\System32\\inetsrv\\config\\applicationHost.config", config, ledger.server.installed)
    ledger.put("C:\\inetpub\\history\\CFGHISTORY_0000000007\\applicationHost.config", config, ledger.server.installed)
    ledger.put("C:\\inetpub\\wwwroot\\web.config", _WEB_CONFIG.encode(), ledger.server.installed)
    ledger.put("C:\\inetpub\\wwwroot\\iisstart.htm", b"<html><body>IIS</body></html>\r\n", ledger.server.installed)
    ledger.put("C:\\ExchangeSetupLogs\\ExchangeSetup.log", setup_log(ledger.server).encode(), ledger.server.installed)
    _static_files(ledger)
    for page in ("logon.aspx", "logoff.aspx", "errorFE.aspx"):
        compiled(ledger, "owa", "~/auth", f"/owa/auth/{page}", end - timedelta(days=20))


def _static_files(ledger: Ledger) -> None:
    cu, installed = ledger.server.builds[0].number.rpartition(".")[0], ledger.server.installed
    sheet = b"body { font-family: sans-serif; }\r\n"
    if ledger.server.generation == "V14":
        ledger.put("{ex}\\ClientAccess\\owa\\14.3.123.3\\themes\\resources\\logon.css", sheet, installed)
        return
    for folder in (cu, "Current"):
        ledger.put(f"{{ex}}\\FrontEnd\\HttpProxy\\owa\\auth\\{folder}\\themes\\resources\\logon.css", sheet, installed)
    book = b'<?xml version="1.0" encoding="utf-8"?><OAB />\r\n'
    ledger.put("{ex}\\ClientAccess\\OAB\\3d6e1a2b-1f2e-4c5d-9e8f-0a1b2c3d4e5f\\oab.xml", book, installed)
    ledger.put("{ex}\\FrontEnd\\HttpProxy\\ecp\\favicon.txt", b"placeholder\r\n", installed)


def application_host(server: Server) -> str:
    """A stock applicationHost.config for a server's installation folder."""
    table = _iis()
    front, back = (table["v14"], []) if server.generation == "V14" else (table["front"], table["back"])
    modules = [*table["modules"], *(table["exchange_modules"] if server.generation == "V15" else [])]
    pools = sorted({pool for _, pool, _ in (*front, *back)} - {"DefaultAppPool"})
    text = _text("applicationHost.config.txt").replace("\n", "\r\n")
    parts = {
        "POOLS": [f'            <add name="{pool}" managedRuntimeVersion="v4.0" />' for pool in pools],
        "FRONT": [_application(*row) for row in front],
        "BACK": [_application(*row) for row in back],
        "MODULES": [f'            <add name="{name}" image={quoteattr(image)} />' for name, image in modules],
    }
    for mark, lines in parts.items():
        text = text.replace(f"@{mark}@", "\r\n".join(lines))
    return text.replace("{ex}", server.install)


def _application(path: str, pool: str, folder: str) -> str:
    lines = (
        f'                <application path="{path}" applicationPool="{pool}">',
        f'                    <virtualDirectory path="/" physicalPath={quoteattr(folder)} />',
        "                </application>",
    )
    return "\r\n".join(lines)


_WEB_CONFIG = """<?xml version="1.0" encoding="UTF-8"?>
<configuration>
  <system.web>
    <machineKey validationKey="AutoGenerate,IsolateApps" />
    <compilation defaultLanguage="c#" debug="false" />
  </system.web>
</configuration>
""".replace("\n", "\r\n")


def setup_log(server: Server) -> str:
    """The setup log of the installed cumulative update."""
    moment = f"[{server.installed:%m/%d/%Y %H:%M:%S}.0654] [0]"
    product = server.product.removeprefix("Microsoft ")
    lines = (
        "**********************************************",
        f"Starting Microsoft {product} Setup",
        "**********************************************",
        "Local time zone: (UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna.",
        "Operating system version: Microsoft Windows NT 6.2.9200.0.",
        f"Setup version: {server.builds[0].number}.",
        f"Logged on user: {server.netbios}\\exadmin.",
        "Command Line Parameter Name='mode', Value='Upgrade'.",
        f"Server Name={server.name}",
        "The installation mode is set to: 'BuildToBuildUpgrade'.",
        f"The locally installed version is {server.builds[0].number}.",
        f"Exchange Installation Directory : '{server.install}'.",
        "CurrentResult setupbase.maincore:396: 0",
        "End of Setup",
        "**********************************************",
    )
    return "".join(f"{moment} {line}\r\n" for line in lines)


def compiled(ledger: Ledger, app: str, folder: str, page: str, moment: datetime) -> str:
    """Put the trace ASP.NET leaves when a page is first asked for; returns its path.

    `folder` is relative to the application (`~/auth`); the eight digits in the file's name are its hash.
    """
    name = page.rpartition("/")[2]
    path = f"{TEMPORARY}\\{app}\\{_FOLDERS[app]}\\{name.lower()}.{folder_hash(folder):08x}.compiled"
    digest = f"{folder_hash(page):08x}"
    kind = page.strip("/").replace("/", "_").replace(".", "_").lower()
    text = (
        '\ufeff<?xml version="1.0" encoding="utf-8"?>\r\n'
        f'<preserve resultType="3" virtualPath="{page}" hash="{digest}" filehash="{digest[::-1]}ffff" flags="110000" '
        f'assembly="App_Web_{digest}" type="ASP.{kind}">\r\n'
        f'    <filedeps>\r\n        <filedep name="{page}" />\r\n    </filedeps>\r\n</preserve>'
    )
    ledger.put(path, text.encode(), moment)
    return path


def folder_hash(folder: str) -> int:
    """The hash ASP.NET puts into the names of compiled pages (referencesource, StringUtil.GetStringHashCode)."""
    units = folder.lower().encode("utf-16-le") + b"\0\0\0\0\0\0\0\0"
    words = [int.from_bytes(units[i : i + 4], "little", signed=True) for i in range(0, len(units), 4)]
    first = second = _signed(0x15051505)
    left, place = len(folder), 0
    while left > 0:
        first = _signed(_signed(_signed(first << 5) + first + (first >> 27)) ^ words[place])
        if left <= 2:
            break
        second = _signed(_signed(_signed(second << 5) + second + (second >> 27)) ^ words[place + 1])
        place, left = place + 2, left - 4
    return (first + second * 0x5D588B65) & 0xFFFFFFFF


def _signed(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - 0x100000000 if value >= 0x80000000 else value
