"""Libraries: what their code does with requests, what they hook, whose they are, and what is left of deleted pages."""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from afterpatch.detect.files.binary.authenticode import check_authenticode
from afterpatch.detect.files.binary.blob import Signature, read_signature
from afterpatch.detect.files.binary.clr import Assembly, NotReadable
from afterpatch.detect.files.binary.flows import judge_code
from afterpatch.detect.files.binary.pages import page_paths
from afterpatch.detect.files.binary.program import Program
from afterpatch.detect.files.binary.strongname import Layout, check_strong_name, token_of
from afterpatch.detect.files.driver import analyse_file
from afterpatch.detect.files.item import Facts, FileContext, FileFinding, FileItem, Inventory
from afterpatch.detect.files.librarycode import weight
from afterpatch.detect.pages.verdict import Flow

from .conftest import EXCHANGE, make_item
from .libraries import library, native

TEMP = "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\Temporary ASP.NET Files\\"
BIN = EXCHANGE + "FrontEnd\\HttpProxy\\bin\\"
COLLECTED = Inventory.of(["C:\\inetpub\\wwwroot\\aspnet_client\\system_web\\x.js"])
Fired = Callable[[FileItem], dict[str, str]]


def _one(path: str, content: bytes, context: FileContext, detection: str, kind: str = "web-file") -> FileFinding:
    found = [each for each in analyse_file(make_item(path, content, kind), context) if each.detection == detection]
    assert found, (path, detection)
    return found[0]


def test_request_to_process_and_load_in_il() -> None:
    verdict = judge_code(Assembly(library("exec")))
    flows = {(flow.sink, verdict.place(flow.source_line), verdict.place(flow.sink_line)) for flow in verdict.flows if flow.source}
    assert ("process-start", "Acme.Web.Orders::Pick", "Acme.Web.Orders::ProcessRequest") in flows
    assert ("assembly-load", "Acme.Web.Stage::Begin", "Acme.Web.Stage::Go") in flows
    assert verdict.severity == "critical"
    assert verdict.complete


def test_library_that_runs_requests(context: FileContext) -> None:
    found = _one(BIN + "Acme.Web.dll", library("exec"), context, "library-runs-request")
    facts = dict(found.facts)
    assert (found.severity, found.kind) == ("critical", "iis-module")
    assert facts["is"] == "http-handler (Acme.Web.Orders), http-module (Acme.Web.Stage)"
    assert facts["hooks"] == "BeginRequest"
    assert "Request.Form['q'] in Acme.Web.Orders::Pick" in facts["process-start critical"]


def test_an_applications_own_library_is_silent(fired: Fired) -> None:
    for path in (BIN + "Vendor.Portal.dll", "C:\\inetpub\\wwwroot\\portal\\bin\\Vendor.Portal.dll"):
        assert fired(make_item(path, library("plain"))) == {}


def test_credentials_collected_by_a_module(context: FileContext) -> None:
    found = _one(EXCHANGE + "FrontEnd\\HttpProxy\\owa\\bin\\Watch.dll", library("creds"), context, "library-collects-credentials")
    assert found.severity == "high"
    assert dict(found.facts)["hooks"] == "PreSendRequestContent"


def test_transport_agent(context: FileContext) -> None:
    path = EXCHANGE + "TransportRoles\\agents\\Acme\\Acme.Mail.dll"
    found = _one(path, library("agent"), context, "library-hooks-requests", "server-library")
    assert (found.severity, found.kind, dict(found.facts)["hooks"]) == ("medium", "transport-agent", "OnEndOfData")


def test_a_name_of_exchange_without_its_key(context: FileContext) -> None:
    path = EXCHANGE + "Bin\\Microsoft.Exchange.Security.Other.dll"
    found = _one(path, library("interop"), context, "library-imitates-exchange", "server-library")
    assert found.severity == "high"
    assert dict(found.facts)["strong name"] == "none"


# --- compiled pages -------------------------------------------------------------------------------------------------


def test_a_deleted_page_is_named_by_its_library_alone(context: FileContext) -> None:
    context.inventory = COLLECTED
    item = make_item(TEMP + "root\\e22c2559\\92c7e946\\App_Web_abcd1234.dll", library("page"), "compiled-assembly")
    moment = datetime(2021, 3, 3, 6, 7, tzinfo=UTC)
    item = replace(item, artifact=replace(item.artifact, created=moment, times_original=True))
    found = {
        dict(each.facts)["url"]: each for each in analyse_file(item, context) if each.detection == "compiled-page-in-library"
    }
    gone = found["/aspnet_client/gone.aspx"]
    assert (gone.path, gone.state, gone.severity) == ("C:\\inetpub\\wwwroot\\aspnet_client\\gone.aspx", "deleted", "critical")
    assert gone.times == (("compiled", moment),)
    assert gone.kind == "web-shell"


def test_code_of_a_deleted_page_belongs_to_the_page(context: FileContext) -> None:
    context.facts = Facts(install_path=EXCHANGE)
    context.inventory = Inventory.of([EXCHANGE + "FrontEnd\\HttpProxy\\owa\\auth\\logon.aspx"])
    path = TEMP + "owa\\e22c2559\\92c7e946\\App_Web_abcd1235.dll"
    found = _one(path, library("jspage"), context, "library-runs-request", "compiled-assembly")
    assert (found.path, found.state) == (EXCHANGE + "FrontEnd\\HttpProxy\\owa\\auth\\errorX.aspx", "deleted")
    assert _one(path, library("jspage"), context, "library-jscript", "compiled-assembly").severity == "medium"


def test_writing_any_file_is_worse_in_a_page_than_in_a_library(context: FileContext) -> None:
    compiled = TEMP + "root\\e22c2559\\92c7e946\\App_Web_abcd1236.dll"
    page = _one(compiled, library("upload"), context, "library-back-door", "compiled-assembly")
    assert (page.path, page.severity) == ("C:\\inetpub\\wwwroot\\aspnet_client\\up.aspx", "high")
    assert _one(BIN + "Upload.dll", library("upload"), context, "library-suspicious").severity == "medium"


def test_shadow_copies_are_judged_as_libraries(context: FileContext) -> None:
    copy = TEMP + "root\\e22c2559\\92c7e946\\assembly\\dl3\\1\\2\\Upload.dll"
    assert _one(copy, library("upload"), context, "library-suspicious", "compiled-assembly").severity == "medium"


@pytest.mark.parametrize(
    ("sink", "call", "severity", "in_page", "in_library"),
    [
        ("process-start", "process.Start", "critical", "critical", "critical"),
        ("file-write", "file.WriteAllText", "high", "high", "medium"),
        ("file-write", "file.WriteAllText", "critical", "critical", "high"),
        ("deserialisation", "new xmlserializer", "high", "high", "medium"),
        ("deserialisation", "Deserialize", "high", "high", "high"),
    ],
)
def test_what_a_flow_weighs(sink: str, call: str, severity: str, in_page: str, in_library: str) -> None:
    flow = Flow("Request.Form", 1, (), sink, call, 2, severity, "")
    assert (weight(flow, page=True), weight(flow, page=False)) == (in_page, in_library)
    assert weight(replace(flow, source=""), page=False) == "low"


def test_page_paths() -> None:
    assert list(page_paths(Assembly(library("page")))) == ["~/aspnet_client/gone.aspx", "~/index.aspx"]
    assert page_paths(Assembly(library("plain"))) == {}


# --- native -----------------------------------------------------------------------------------------------------------


def test_native_module(context: FileContext) -> None:
    data = native(("RegisterModule",), (("KERNEL32.dll", "CreateProcessW"), ("KERNEL32.dll", "Sleep")))
    program = Program(data)
    assert program.exports == ("RegisterModule",)
    assert program.imports == (("kernel32.dll", "CreateProcessW"), ("kernel32.dll", "Sleep"))
    inside = _one("C:\\Windows\\System32\\inetsrv\\stats.dll", data, context, "native-iis-module", "server-library")
    assert inside.severity == "medium"
    assert dict(inside.facts)["uses"] == "CreateProcessW"
    assert _one("C:\\ProgramData\\stats.dll", data, context, "native-iis-module", "suspicious-place").severity == "high"


def test_stock_and_plain_native_libraries_are_silent(fired: Fired) -> None:
    stock = make_item("C:\\Windows\\System32\\inetsrv\\authbas.dll", native(("RegisterModule",)), "server-library")
    assert fired(stock) == {}
    assert fired(make_item("C:\\Windows\\System32\\inetsrv\\other.dll", native(("DllMain",)), "server-library")) == {}


# --- signatures -------------------------------------------------------------------------------------------------------


def _rsa(bits: int = 512) -> tuple[int, int, int]:
    """(modulus, public exponent, private exponent) of a small key, the same in each run."""
    chance = random.Random(7)

    def prime() -> int:
        while True:
            number = chance.getrandbits(bits // 2) | 1 << (bits // 2 - 1) | 1 << (bits // 2 - 2) | 1
            if number % 65537 != 1 and all(pow(base, number - 1, number) == 1 for base in (2, 3, 5, 7, 11, 13)):
                return number

    one, two = prime(), prime()
    return one * two, 65537, pow(65537, -1, (one - 1) * (two - 1))


def _signed(change: bool) -> tuple[bytes, bytes, Layout]:
    """A file with a strong name made by the test's own key; (file, public key, layout)."""
    modulus, exponent, private = _rsa()
    size = (modulus.bit_length() + 7) // 8
    key = struct.pack("<IIIBBHIIII", 0x2400, 0x8004, 20 + size, 6, 2, 0, 0x2400, 0x31415352, 8 * size, exponent)
    key += modulus.to_bytes(size, "little")
    data = bytearray(random.Random(1).randbytes(1024))
    layout = Layout(64, False, ((512, 512),), 40, (600, size))
    covered = data[:152] + bytes(4) + data[156:216] + bytes(8) + data[224:352] + data[512:600] + data[600 + size : 1024]
    digest = bytes.fromhex("3021300906052b0e03021a05000414") + hashlib.sha1(covered).digest()
    filled = b"\0\x01" + b"\xff" * (size - 3 - len(digest)) + b"\0" + digest
    data[600 : 600 + size] = pow(int.from_bytes(filled, "big"), private, modulus).to_bytes(size, "little")
    if change:
        data[900] ^= 1
    return bytes(data), key, layout


def test_strong_name_holds_only_for_the_file_that_was_signed() -> None:
    data, key, layout = _signed(change=False)
    assert check_strong_name(data, key, layout).state == "valid"
    data, key, layout = _signed(change=True)
    assert check_strong_name(data, key, layout).state == "broken"
    assert check_strong_name(data, b"", layout).state == "none"
    assert check_strong_name(data[:600] + bytes(64) + data[664:], key, layout).state == "delayed"


def test_token_of_the_standards_key() -> None:
    assert token_of(bytes.fromhex("00000000000000000400000000000000")) == "b77a5c561934e089"


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes((tag, 0x82)) + struct.pack(">H", len(body)) + body


def _with_authenticode(data: bytes) -> bytes:
    """A program with a signature's outer shape around its digest; nobody's key is in it."""
    header = int.from_bytes(data[60:64], "little")
    entry = header + 168
    digest = hashlib.sha256(data[: header + 88] + data[header + 92 : entry] + data[entry + 8 :]).digest()
    algorithm = _der(0x30, _der(0x06, bytes.fromhex("608648016503040201")), _der(0x05))
    indirect = _der(0x30, _der(0x30), _der(0x30, algorithm, _der(0x04, digest)))
    blob = bytes.fromhex("060a2b060104018237020104") + _der(0xA0, indirect)
    blob += bytes.fromhex("0603550403") + bytes((0x0C, 6)) + b"Vendor"
    blob += bytes(-len(blob) % 8)
    table = struct.pack("<IHH", len(blob) + 8, 0x200, 2) + blob
    return data[:entry] + struct.pack("<II", len(data), len(table)) + data[entry + 8 :] + table


def test_authenticode_digest(context: FileContext) -> None:
    signed = _with_authenticode(native(("RegisterModule",), size=2048))
    program = Program(signed)
    assert program.signature is not None
    assert (program.signature.state, program.signature.names) == ("matches", ("Vendor",))
    changed = signed[:1500] + b"X" + signed[1501:]
    found = _one(BIN + "module.dll", changed, context, "library-signature-broken")
    assert found.severity == "high"
    assert check_authenticode(signed, 64, True, (1 << 30, 4096)).state == "unreadable"


# --- damage -----------------------------------------------------------------------------------------------------------


def test_damaged_libraries_never_raise(context: FileContext) -> None:
    chance = random.Random(3)
    for name in ("exec", "jspage", "page"):
        data = library(name)
        for _ in range(60):
            hurt = bytearray(data)
            for _ in range(chance.choice((1, 4, 40))):
                hurt[chance.randrange(len(hurt))] = chance.randrange(256)
            analyse_file(
                make_item(BIN + "x.dll", bytes(hurt[: chance.choice((len(hurt), chance.randrange(200, len(hurt))))])), context
            )
    assert context.failures == []


def test_a_library_without_a_program_is_named(fired: Fired, context: FileContext) -> None:
    assert fired(make_item(BIN + "x.dll", b"text, no program")) == {}
    assert [notice.reason for notice in context.notices] == ["notice.program-unreadable: no program behind the name"]
    cut = library("exec")[:900]
    assert "library-not-read" in {each.detection for each in analyse_file(make_item(BIN + "y.dll", cut), context)}
    assert any(notice.reason.startswith("notice.program-unreadable") for notice in context.notices)


def test_not_an_assembly() -> None:
    with pytest.raises(NotReadable):
        Assembly(b"MZ" + bytes(200))
    with pytest.raises(NotReadable):
        Assembly(native())


def test_method_signatures() -> None:
    def names(token: int) -> str:
        return f"type{token & 0xFF}"

    assert read_signature(bytes((0x20, 2, 0x01, 0x0E, 0x1D, 0x05)), names) == Signature(True, "void", ("string", "byte[]"))
    assert read_signature(bytes((0x00, 1, 0x12, 0x09, 0x15, 0x12, 0x05, 1, 0x0E)), names) == Signature(False, "type2", ("type1",))
    with pytest.raises(ValueError, match="ends early"):
        read_signature(bytes((0x20, 3, 0x01)), names)
    with pytest.raises(ValueError, match="too deep"):
        read_signature(bytes((0x00, 0)) + b"\x1d" * 60, names)
