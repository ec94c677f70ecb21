"""Content signatures: every rule fires on its example and leaves its look-alike alone; loading survives bad rules."""

from __future__ import annotations

import base64
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
import yaml
import yara_x

from afterpatch.detect.files.item import FileContext, FileFinding
from afterpatch.detect.files.signatures import SignatureAnalyser, plain, signature_meta
from afterpatch.detect.files.views import encode_table, permute_table, unpermute
from afterpatch.detect.yara import compile as compile_module
from afterpatch.detect.yara import scan as scan_module
from afterpatch.detect.yara.compile import compile_rules

from .conftest import ASPNET_CLIENT, make_item, unb64

EXAMPLES: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("yara_examples.yml").read_text(encoding="utf-8"))
RULES = sorted(EXAMPLES)
SHELL = EXAMPLES["AP_Shell_JScript_Eval_Request"]["fire"][0]


def content(example: dict[str, str]) -> bytes:
    return zlib.decompress(base64.b64decode(example["zb64"])) if "zb64" in example else unb64(example["b64"])


def scan(path: str, data: bytes, rules: Any = None) -> list[FileFinding]:
    context = FileContext(rules=rules or compile_rules()[0])
    return list(SignatureAnalyser().analyse(make_item(path, data), context))


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def test_every_rule_has_examples() -> None:
    assert set(EXAMPLES) == set(signature_meta())


@pytest.mark.parametrize("rule", RULES)
def test_rule_fires_and_spares_its_look_alike(rule: str) -> None:
    for example in EXAMPLES[rule]["fire"]:
        assert rule in {found.detection for found in scan(example["path"], content(example))}
    for example in EXAMPLES[rule]["quiet"]:
        assert rule not in {found.detection for found in scan(example["path"], content(example))}
    assert EXAMPLES[rule]["fire"]
    assert EXAMPLES[rule]["quiet"]


@pytest.mark.parametrize("rule", RULES)
def test_rule_has_its_texts_in_both_languages(rule: str) -> None:
    meta = signature_meta()[rule]
    assert meta.title
    assert meta.title_zh
    assert meta.explain
    assert meta.explain_zh
    assert len(meta.benign) == len(meta.benign_zh) > 0
    assert len(meta.next_steps) == len(meta.next_steps_zh) > 0
    assert meta.techniques


def test_utf16_pages_are_read() -> None:
    data = content(SHELL).decode().encode("utf-16")
    found = {one.detection: dict(one.facts) for one in scan(SHELL["path"], data)}
    assert found["AP_Shell_JScript_Eval_Request"] == {"reading": "text"}


def test_pst_encoded_items_are_decoded() -> None:
    data = bytes(100) + content(SHELL).translate(encode_table()) + bytes(100)
    found = {one.detection: dict(one.facts) for one in scan("C:\\x\\mail.edb", data)}
    assert found["AP_Shell_JScript_Eval_Request"] == {"reading": "pst"}


def test_permute_table_is_a_permutation_and_its_inverse_undoes_it() -> None:
    assert sorted(permute_table()) == list(range(256))
    assert unpermute(bytes(range(256)).translate(encode_table())) == bytes(range(256))


def test_plain_reading_joins_words() -> None:
    assert plain(b'"ab"+/*-/*-*/"cd" \\u0065 /* note */x') == b'"abcd" e x'
    assert plain(b"nothing to do") == b""


@pytest.mark.parametrize("filler", [b"<script ", b"<script runat ", b"<input ", b"/*", b'"+"', b"\\u0065", b"<% "])
def test_hostile_pages_cost_bounded_time(filler: bytes) -> None:
    data = content(SHELL) + filler * (4 * 1024 * 1024 // len(filler))
    started = time.process_time()
    found = {one.detection for one in scan(ASPNET_CLIENT + "a.aspx", data)}
    assert time.process_time() - started < 2  # of the processor: the machine may be busy
    assert "AP_Shell_JScript_Eval_Request" in found


def test_a_timeout_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    patient = scan_module._patient
    monkeypatch.setattr(scan_module, "_patient", lambda scanner, data: None if len(data) > 200_000 else patient(scanner, data))
    context = FileContext(rules=compile_rules()[0])
    data = b"<script " * (1024 * 1024 // 8)
    list(SignatureAnalyser().analyse(make_item(ASPNET_CLIENT + "a.aspx", data), context))
    assert [notice.reason.partition(":")[0] for notice in context.notices] == ["notice.signature-timeout"]


def test_user_rules_run_and_bad_ones_are_named(tmp_path: Path) -> None:
    (tmp_path / "good.yar").write_text(
        'rule mine { meta: description = "my rule" score = 80\n condition: filename == "a.aspx" and extension == ".aspx" }'
    )
    (tmp_path / "same.yar").write_text('rule mine { condition: filepath contains "aspnet_client" }')
    (tmp_path / "bad.yar").write_text("rule broken {\n  condition:\n    nowhere\n}\n")
    (tmp_path / "empty.yar").write_bytes(b"\xff\xfe\x00")
    rules, notices = compile_rules([tmp_path])
    assert {(Path(notice.path).name, notice.where) for notice in notices} >= {("bad.yar", "line 3")}
    assert all(notice.reason.startswith("notice.yara-rule-error: ") for notice in notices)
    found = scan(ASPNET_CLIENT + "a.aspx", b"plain text", rules)
    assert [(one.detection, one.title, one.severity) for one in found] == [
        ("mine", "my rule", "high"),
        ("mine", "mine", "medium"),
    ]


def test_a_missing_rule_folder_is_named(tmp_path: Path) -> None:
    rules, notices = compile_rules([tmp_path / "nowhere"])
    assert [notice.reason for notice in notices] == ["notice.yara-unreadable: no such file or folder"]
    assert scan(SHELL["path"], content(SHELL), rules)


def test_cache_is_used_and_survives_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compile_rules()
    (kept,) = (tmp_path / "afterpatch").glob("yara-*.bin")
    calls: list[int] = []
    original = compile_module._compile
    monkeypatch.setattr(compile_module, "_compile", lambda sources: calls.append(1) or original(sources))
    compile_rules()
    assert calls == []
    kept.write_bytes(kept.read_bytes()[:-10])
    rules, _ = compile_rules()
    assert calls == [1]
    assert scan(SHELL["path"], content(SHELL), rules)


def test_unwritable_cache_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocker = tmp_path / "file"
    blocker.write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocker))
    rules, notices = compile_rules()
    assert notices == ()
    assert scan(SHELL["path"], content(SHELL), rules)


class _Busy:
    """A scanner that runs out of wall time as often as it is told, without working."""

    def __init__(self, times: int) -> None:
        self.times, self.timeouts = times, [1]

    def set_timeout(self, seconds: int) -> None:
        self.timeouts.append(seconds)

    def scan(self, _content: bytes) -> object:
        if self.times:
            self.times -= 1
            raise yara_x.TimeoutError("late")
        return type("Result", (), {"matching_rules": ()})()


@pytest.mark.parametrize(("times", "late"), [(0, ()), (1, ()), (5, ()), (6, ("raw",)), (99, ("raw!",))])
def test_busy_machine_gets_more_tries_and_no_silence(
    times: int, late: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = _Busy(times)
    monkeypatch.setattr(scan_module, "_scanner", lambda _rules, _externals: busy)
    found, late_views = scan_module.scan_views(compile_rules()[0], [("raw", b"x")], {})
    assert (found, late_views) == ([], late)
    assert (max(busy.timeouts) > 1) == (times > 3)


def test_a_scan_that_never_ends_is_a_failure_not_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_module, "_scanner", lambda _rules, _externals: _Busy(99))
    context = FileContext(rules=compile_rules()[0])
    assert list(SignatureAnalyser().analyse(make_item(ASPNET_CLIENT + "a.aspx", b"x"), context)) == []
    assert [one.detection for one in context.failures] == ["signatures"]
