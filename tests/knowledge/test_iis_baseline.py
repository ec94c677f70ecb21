"""What IIS on a stock Exchange server is configured with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from afterpatch.knowledge import iis_baseline as iis
from afterpatch.knowledge.data_files import table

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples" / "iis_config" / "exchange2019"
INSTALL = "F:\\Program Files\\Microsoft\\Exchange\\"


@pytest.mark.parametrize(
    ("name", "image", "grade"),
    [
        ("HttpLoggingModule", "%windir%\\System32\\inetsrv\\loghttp.dll", "stock"),
        ("httploggingmodule", "C:\\WINDOWS\\system32\\inetsrv\\loghttp.dll", "stock"),
        ("HttpLoggingModule", "C:\\ProgramData\\loghttp.dll", "other-image"),
        ("HttpLogModule", "%windir%\\System32\\inetsrv\\loghttp.dll", "other-name"),
        ("kerbauth", INSTALL + "Bin\\kerbauth.dll", "stock"),
        ("kerbauth", "C:\\ProgramData\\Bin\\kerbauth.dll", "other-image"),
        ("WebSocketModule", "%windir%\\System32\\inetsrv\\iiswsock.dll", "optional"),
        ("IISModule", "C:\\Windows\\System32\\inetsrv\\IISModule.dll", "unknown"),
        ("", "", "unknown"),
    ],
)
def test_global_modules(name: str, image: str, grade: str) -> None:
    assert iis.grade_global_module(name, image, INSTALL) == grade
    assert iis.is_stock_global_module(name, image, INSTALL) is (grade in {"stock", "optional"})


def test_an_unknown_install_folder_is_not_held_against_exchange() -> None:
    assert iis.is_stock_global_module("kerbauth", "D:\\Mail\\Bin\\kerbauth.dll")
    assert not iis.is_stock_global_module("kerbauth", "D:\\Mail\\Bin\\evil.dll")


def test_modules_and_types() -> None:
    assert iis.is_stock_module("RewriteModule")
    assert iis.is_stock_module("Session", "System.Web.SessionState.SessionStateModule")
    assert iis.is_stock_module(
        "HttpProxy", "Microsoft.Exchange.HttpProxy.FbaModule,Microsoft.Exchange.HttpProxy.FBA,Version=15.0.0.0"
    )
    assert not iis.is_stock_module("UrlRouting", "System.Web.Routing.UrlRoutingModule")
    assert not iis.is_stock_module("Session", "System.Web.Evil")
    assert not iis.is_stock_module("IISModule")
    assert iis.claims_microsoft_type("Microsoft.Exchange.Evil")
    assert not iis.claims_microsoft_type("Evil.Microsoft.Exchange.Module")


def test_filters_handlers_pools() -> None:
    owa = "Exchange OWA Cookie Authentication ISAPI Filter"
    assert iis.is_stock_isapi_filter(owa, INSTALL + "ClientAccess\\owa\\auth\\owaauth.dll", INSTALL)
    assert not iis.is_stock_isapi_filter(owa, "C:\\Windows\\Temp\\owaauth.dll", INSTALL)
    assert iis.is_stock_handler("PageHandlerFactory-Integrated-4.0", "*.aspx", "System.Web.UI.PageHandlerFactory")
    assert not iis.is_stock_handler("PageHandlerFactory-Integrated-4.0", "*.css", "System.Web.UI.PageHandlerFactory")
    isapi = "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\aspnet_isapi.dll"
    assert iis.is_stock_handler("AboMapperCustom-5782", "*.xml", modules="IsapiModule", script_processor=isapi)
    assert not iis.is_stock_handler("AboMapperCustom-5782", "*.xml", modules="IsapiModule", script_processor="C:\\x.dll")
    assert iis.is_stock_application_pool("msexchangeowaapppool")
    assert not iis.is_stock_application_pool("MSExchangeOWAAppPool2")
    assert iis.is_stock_clr_config(INSTALL + "bin\\MSExchangeSyncAppPool_CLRConfig.config", INSTALL)
    assert not iis.is_stock_clr_config("C:\\x\\MSExchangeSyncAppPool_CLRConfig.config", INSTALL)


@pytest.mark.parametrize(
    ("site", "path", "physical", "stock"),
    [
        ("Default Web Site", "/owa", INSTALL + "FrontEnd\\HttpProxy\\owa", True),
        ("Default Web Site", "/owa/", INSTALL + "FrontEnd\\HttpProxy\\owa\\", True),
        ("Default Web Site", "/owa", "%ExchangeInstallPath%\\FrontEnd\\HttpProxy\\owa", True),
        ("Default Web Site", "/", "D:\\inetpub\\wwwroot", True),
        ("Default Web Site", "/owa", "C:\\ProgramData\\COM1", False),
        ("Default Web Site", "/owa/auth/test", "C:\\ProgramData\\COM1", False),
        ("Exchange Back End", "/Exchange", INSTALL + "ClientAccess\\owa", True),
        ("Exchange Back End", "/Rpc", "C:\\Windows\\System32\\RpcProxy", True),
        ("Other Site", "/owa", INSTALL + "FrontEnd\\HttpProxy\\owa", False),
    ],
)
def test_virtual_directories(site: str, path: str, physical: str, stock: bool) -> None:
    assert iis.is_stock_virtual_directory(site, path, physical, INSTALL) is stock


def test_the_table_is_sorted_and_unique() -> None:
    rows = [tuple(row.values())[:4] for row in table("iis_baseline.csv")]
    keys = [tuple(cell.lower() if place else cell for place, cell in enumerate(row)) for row in rows]
    assert keys == sorted(keys)
    assert len(keys) == len(set(keys))


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the shared sample configuration is not here")
def test_a_stock_configuration_has_nothing_unknown() -> None:
    """Must-not-fire: every module, filter, pool and web folder of a stock server, read with a plain pattern."""
    text = (SAMPLES / "applicationHost.config").read_text(encoding="utf-8", errors="replace")
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    part = text[text.index("<globalModules>") : text.index("</globalModules>")]
    modules = re.findall(r'<add name="([^"]+)" image="([^"]+)"', part)
    assert len(modules) > 25
    assert [entry for entry in modules if not iis.is_stock_global_module(*entry)] == []
    filters = re.findall(r'<filter name="([^"]+)" path="([^"]+)"', text)
    assert filters
    assert [entry for entry in filters if not iis.is_stock_isapi_filter(*entry)] == []
    seen = 0
    for site, body in re.findall(r'<site name="([^"]+)".*?>(.*?)</site>', text, re.DOTALL):
        for application, inner in re.findall(r'<application path="([^"]+)".*?>(.*?)</application>', body, re.DOTALL):
            for path, physical in re.findall(r'<virtualDirectory path="([^"]+)" physicalPath="([^"]+)"', inner):
                whole = application.rstrip("/") + path if application != "/" else path
                assert iis.is_stock_virtual_directory(site, whole, physical), (site, whole)
                seen += 1
    assert seen > 30
