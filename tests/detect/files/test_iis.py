# ruff: noqa: E501 (tables of paths and configuration lines read best one a line)
"""IIS configuration against the stock lists."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from afterpatch.detect.files.driver import analyse_server
from afterpatch.detect.files.iis import IisAnalyser
from afterpatch.detect.files.item import Facts, FileContext, FileFinding, FileItem
from afterpatch.model import Artifact, Locator, severity_at_least

from .conftest import ASPNET_CLIENT, EXCHANGE, OWA_AUTH, make_item, unb64

CONFIG = "C:\\Windows\\System32\\inetsrv\\config\\applicationHost.config"
SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "iis_config" / "exchange2019"
PROXY = EXCHANGE + "FrontEnd\\HttpProxy\\"


def server_config(modules: str = "", web: str = "", sites: str = "", pools: str = "", log: str = "") -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<configuration>
 <system.applicationHost>
  <applicationPools><add name="DefaultAppPool" />{pools}</applicationPools>
  <sites>
   <site name="Default Web Site" id="1">{log}
    <application path="/"><virtualDirectory path="/" physicalPath="%SystemDrive%\\inetpub\\wwwroot" /></application>
    <application path="/owa"><virtualDirectory path="/" physicalPath="{PROXY}owa" /></application>
    {sites}
   </site>
  </sites>
 </system.applicationHost>
 <system.webServer>
  <globalModules>
   <add name="HttpLoggingModule" image="%windir%\\System32\\inetsrv\\loghttp.dll" />
   {modules}
  </globalModules>
  {web}
 </system.webServer>
</configuration>""".encode()


def web_config(server: str = "", web: str = "", after: str = "") -> bytes:
    return (
        f"<configuration><system.webServer>{server}</system.webServer><system.web>{web}</system.web></configuration>{after}"
    ).encode()


def run(path: str, content: bytes, kind: str = "iis-config", sha256: str = "") -> list[FileFinding]:
    context = FileContext(facts=Facts(install_path=EXCHANGE))
    return list(IisAnalyser().analyse(make_item(path, content, kind, sha256=sha256), context))


def levels(found: list[FileFinding]) -> dict[str, str]:
    return {one.detection: one.severity for one in found}


def test_the_plain_configuration_is_silent() -> None:
    assert run(CONFIG, server_config()) == []
    assert run(PROXY + "owa\\web.config", web_config(), "web-config") == []


def application(url: str, folder: str) -> str:
    return f'<application path="{url}"><virtualDirectory path="/" physicalPath="{folder}" /></application>'


@pytest.mark.parametrize(
    ("content", "detection", "severity"),
    [
        (server_config(modules='<add name="X" image="%windir%\\System32\\inetsrv\\cachport.dll" />'), "iis-module-known-bad", "critical"),
        (server_config(modules='<add name="AV" image="C:\\Program Files\\AV\\av.dll" />'), "iis-module-unknown", "medium"),
        (server_config(modules='<add name="UriCacheModule" image="%windir%\\System32\\inetsrv\\cachurl.dll" />'), "iis-module-unknown", "critical"),
        (server_config(modules='<add name="X" image="C:\\ProgramData\\x.dll" />'), "iis-module-unknown", "critical"),
        (server_config(sites=application("/x", "C:\\ProgramData\\COM1")), "iis-directory-in-drop-place", "critical"),
        (server_config(sites=application("/x", "C:\\Users\\All Users\\ZOO1")), "iis-directory-in-drop-place", "critical"),
        (server_config(sites=application("/x", "C:\\Users\\Public\\x")), "iis-directory-in-drop-place", "high"),
        (server_config(sites=application("/x", "\\\\192.0.2.1\\share")), "iis-directory-in-drop-place", "high"),
        (server_config(sites=application("/ecp", "C:\\web\\ecp")), "iis-directory-moved", "high"),
        (server_config(sites=application("/shop", "D:\\shop")), "iis-directory-added", "medium"),
        (server_config(sites=application("/certsrv", "C:\\inetpub\\certsrv")), "iis-directory-added", "low"),
        (server_config(log='<logFile enabled="false" />'), "iis-logging-off", "high"),
        (server_config(log='<logFile directory="D:\\logs" />'), "iis-logging-moved", "info"),
        (server_config(web='<httpLogging dontLog="true" />'), "iis-logging-off", "high"),
        (server_config(web='<isapiFilters><filter name="F" path="C:\\x\\f.dll" /></isapiFilters>'), "iis-isapi-filter-unknown", "high"),
        (server_config(web='<isapiFilters><filter name="F" path="C:\\Windows\\Temp\\owaauth.dll" /></isapiFilters>'), "iis-isapi-filter-unknown", "critical"),
        (server_config(pools='<add name="P"><processModel identityType="LocalSystem" /></add>'), "iis-pool-unknown", "low"),
        (server_config(pools='<add name="P"><environmentVariables><add name="COR_PROFILER" value="{1}" /></environmentVariables></add>'), "iis-pool-loads-code", "high"),
        (server_config(pools='<add name="P" CLRConfigFile="C:\\x\\y.config" />'), "iis-pool-loads-code", "high"),
    ],
)  # fmt: skip
def test_server_configuration(content: bytes, detection: str, severity: str) -> None:
    assert levels(run(CONFIG, content))[detection] == severity


HANDLER = '<handlers><add name="h" path="{}" verb="*" type="{}" scriptProcessor="{}" /></handlers>'


@pytest.mark.parametrize(
    ("content", "detection", "severity"),
    [
        (web_config(HANDLER.format("*.jpg", "System.Web.UI.PageHandlerFactory", "")), "iis-handler-odd-extension", "critical"),
        (web_config(HANDLER.format("*.config", "", "%windir%\\system32\\inetsrv\\asp.dll")), "iis-handler-odd-extension", "critical"),
        (web_config(HANDLER.format("*.xyz", "System.Web.UI.PageHandlerFactory", "")), "iis-handler-odd-extension", "high"),
        (web_config(HANDLER.format("*", "Evil.Handler, Evil", "")), "iis-handler-foreign", "high"),
        (web_config(HANDLER.format("*.abc", "", "C:\\ProgramData\\x.dll")), "iis-handler-foreign", "critical"),
        (web_config('<modules><add name="UrlRoutingModule" type="Evil.Module, Evil" /></modules>'), "iis-managed-module-foreign", "high"),
        (web_config('<modules><add name="A" type="Microsoft.Exchange.X, X, PublicKeyToken=0123456789abcdef" /></modules>'), "iis-managed-module-foreign", "high"),
        (web_config('<modules><add name="A" type="X.ExtenderControlDesigner, X" /></modules>'), "iis-module-known-bad", "critical"),
        (web_config('<security><requestFiltering><hiddenSegments><remove segment="web.config" /></hiddenSegments></requestFiltering></security>'), "iis-filtering-hole", "high"),
        (web_config('<security><requestFiltering><fileExtensions><add fileExtension=".cs" allowed="true" /></fileExtensions></requestFiltering></security>'), "iis-filtering-hole", "medium"),
        (web_config('<rewrite><rules><rule name="r"><match url="a.png" /><action type="Rewrite" url="/aspnet_client/x.aspx" /></rule></rules></rewrite>'), "iis-rewrite-to-page", "high"),
        (web_config(web='<machineKey validationKey="0123456789ABCDEF0123" decryptionKey="AutoGenerate" />'), "iis-machine-key-fixed", "low"),
        (web_config(web='<pages enableViewStateMac="false" />'), "iis-viewstate-unsigned", "high"),
        (web_config(web='<pages pageParserFilterType="Evil.Filter, Evil" />'), "iis-compiler-hook", "high"),
        (web_config(web='<globalization fileEncoding="utf-7" />'), "iis-odd-page-encoding", "high"),
        (web_config(web='<compilation tempDirectory="D:\\t" />'), "iis-temp-moved", "low"),
        (web_config(after="\n" + unb64("PCUgUkVNT1ZFRCAlPg==").decode()), "iis-config-with-code", "critical"),
        (web_config(after="\nnotes"), "iis-config-trailing-text", "medium"),
    ],
)  # fmt: skip
def test_web_configuration(content: bytes, detection: str, severity: str) -> None:
    assert levels(run(PROXY + "owa\\web.config", content, "web-config"))[detection] == severity


@pytest.mark.parametrize(
    "content",
    [
        web_config('<modules><add name="A" type="Microsoft.Exchange.New.Module, X, PublicKeyToken=31bf3856ad364e35" /></modules>'),
        web_config('<modules><add name="RewriteModule" /><remove name="Session" /></modules>'),
        web_config(HANDLER.format("*.aspx", "System.Web.UI.PageHandlerFactory", "")),
        web_config('<rewrite><rules><rule name="PowerShell - inbound"><match url=".*" /><action type="AbortRequest" /></rule></rules></rewrite>'),
        web_config('<rewrite><outboundRules><rule name="o"><action type="Rewrite" value="x" /></rule></outboundRules></rewrite>'),
        web_config(web='<machineKey validationKey="AutoGenerate,IsolateApps" />'),
        web_config('<security><requestFiltering><hiddenSegments><add segment="bin" /></hiddenSegments></requestFiltering></security>'),
        web_config(after="\n<!-- saved by setup -->\n"),
    ],
)  # fmt: skip
def test_look_alikes_are_silent(content: bytes) -> None:
    assert run(PROXY + "owa\\web.config", content, "web-config") == []


def test_a_fixed_key_does_not_go_into_the_report() -> None:
    (found,) = run(PROXY + "ecp\\web.config", web_config(web='<machineKey validationKey="CAFECAFECAFE" />'), "web-config")
    assert "CAFE" not in found.raw + str(found.facts)


def test_configuration_in_aspnet_client() -> None:
    redirect = web_config('<httpRedirect enabled="true" destination="/owa" />')
    handler = web_config(HANDLER.format("*.aspx", "System.Web.UI.PageHandlerFactory", ""))
    assert run(ASPNET_CLIENT + "web.config", redirect, "web-config") == []
    assert levels(run(ASPNET_CLIENT + "web.config", handler, "web-config")) == {"iis-config-out-of-place": "medium"}
    known = "5470eafeb40805ac58b13de3eb64bea6200c5446e37a21e7674913f2adf5c089"
    assert run(ASPNET_CLIENT + "web.config", handler, "web-config", known) == []


def test_the_finding_names_the_file_that_is_loaded() -> None:
    (found,) = run(CONFIG, server_config(modules='<add name="X" image="%windir%\\System32\\inetsrv\\iisx.dll" />'))
    assert found.path == "C:\\Windows\\System32\\inetsrv\\iisx.dll"
    assert "iisx.dll" in found.raw
    assert found.kind == "iis-module"


def history_item(number: int, content: bytes, moment: datetime | None) -> FileItem:
    path = f"C:\\inetpub\\history\\CFGHISTORY_{number:010d}\\applicationHost.config" if number else CONFIG
    kind = "iis-config-history" if number else "iis-config"
    artifact = Artifact(0, path, path, Locator(path), kind, "r", len(content), moment, None, "", False, moment is not None)
    return FileItem(artifact, content, False, "0" * 64, len(content))


def test_history_says_when_an_entry_came_and_went() -> None:
    bad = server_config(modules='<add name="X" image="C:\\ProgramData\\x.dll" />', sites=application("/shop", "D:\\shop"))
    shop = server_config(sites=application("/shop", "D:\\shop"))
    day = [datetime(2021, 3, number, tzinfo=UTC) for number in range(1, 5)]
    items = [history_item(2, bad, day[1]), history_item(1, server_config(), day[0]), history_item(0, shop, day[3])]
    found = analyse_server(items, FileContext())
    listed = {(one.detection, dict(one.facts)["name"]): one for one in found}
    assert set(listed) == {
        ("iis-history-appeared", "X"),
        ("iis-history-removed", "X"),
        ("iis-history-appeared", "Default Web Site/shop"),
    }
    came = listed["iis-history-appeared", "X"]
    assert dict(came.times) == {"not before": day[0], "not after": day[1]}
    assert (came.severity, came.state, came.path) == ("high", "deleted", "C:\\ProgramData\\x.dll")
    assert listed["iis-history-appeared", "Default Web Site/shop"].state == "present"
    assert IisAnalyser().analyse(history_item(2, bad, None), FileContext()) is not None
    assert list(IisAnalyser().analyse(history_item(2, bad, None), FileContext())) == []


def test_code_that_starts_with_the_application() -> None:
    providers = '<serviceAutoStartProviders><add name="p" type="Evil.Start, Evil" /></serviceAutoStartProviders>'
    content = server_config().replace(b"<sites>", providers.encode() + b"<sites>")
    assert levels(run(CONFIG, content)) == {"iis-auto-start": "high"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('notListedIsapisAllowed="true">', {"iis-program-allowed": "medium"}),
        ('><add path="C:\\Windows\\System32\\RpcProxy\\RpcProxy.dll" allowed="true"/>', {}),
        ('><add path="C:\\php\\php-cgi.exe" allowed="true"/>', {"iis-program-allowed": "medium"}),
        ('><add path="C:\\php\\php-cgi.exe" allowed="false"/>', {}),
        ('><add path="C:\\ProgramData\\x.exe" allowed="true"/>', {"iis-program-allowed": "critical"}),
    ],
)
def test_programs_that_iis_may_run(text: str, expected: dict[str, str]) -> None:
    content = server_config(web=f"<security><isapiCgiRestriction {text}</isapiCgiRestriction></security>")
    assert levels(run(CONFIG, content)) == expected


def test_history_without_changes_is_silent() -> None:
    items = [history_item(number, server_config(), None) for number in (1, 2, 0)]
    assert analyse_server(items, FileContext()) == []


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the shared samples are not beside this checkout")
def test_the_stock_configuration_of_a_real_server_is_silent() -> None:
    for path in sorted(SAMPLES.rglob("*.config")):
        name = path.name.lower()
        if "applicationhost" in name:
            place, kind = CONFIG, "iis-config"
        elif "backend" in name or "ClientAccess" in str(path):
            place, kind = EXCHANGE + "ClientAccess\\owa\\web.config", "web-config"
        else:
            place, kind = PROXY + "owa\\web.config", "web-config"
        context = FileContext(facts=Facts(install_path=EXCHANGE))
        found = list(IisAnalyser().analyse(make_item(place, path.read_bytes(), kind), context))
        assert [one for one in found if severity_at_least(one.severity, "low")] == [], path.name
        assert bool(context.notices) == (path.name in ("BadApplicationHost.config", "DefaultWebSite_web1.config"))


@pytest.mark.parametrize("content", [b"", b"<", b"\x00" * 1000, b"<configuration>" * 5000, b"<a>&lol;</a>", b"\xff\xfe<\x00"])
def test_broken_files_become_notices(content: bytes) -> None:
    context = FileContext()
    for path, kind in ((CONFIG, "iis-config"), (OWA_AUTH + "web.config", "web-config")):
        list(IisAnalyser().analyse(make_item(path, content, kind), context))
    assert context.notices


def test_another_application_configures_itself() -> None:
    modules = web_config('<modules><add name="A" type="Shop.Module, Shop" /></modules>')
    assert levels(run("C:\\inetpub\\wwwroot\\shop\\web.config", modules, "web-config")) == {"iis-managed-module-foreign": "low"}
    assert levels(run("C:\\inetpub\\wwwroot\\web.config", modules, "web-config")) == {"iis-managed-module-foreign": "high"}


def test_data_files_called_config_are_passed_over() -> None:
    assert run(PROXY + "owa\\template.config", unb64("PCUgUkVNT1ZFRCAlPg=="), "web-file") == []


def test_exchange_2010_serves_its_own_folder() -> None:
    folder = "C:\\Program Files\\Microsoft\\Exchange Server\\V14\\ClientAccess\\"
    assert run(CONFIG, server_config(sites=application("/ecp", folder + "ecp"))) == []
