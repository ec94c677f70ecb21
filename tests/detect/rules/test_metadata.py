"""What every shipped rule must say about itself, in both languages."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml

import afterpatch.detect as detect

RULES = Path(detect.__file__).parent / "rules"
DOCUMENTS: dict[str, dict[str, Any]] = {
    document["name"]: document
    for path in sorted(RULES.glob("*/*.yml"))
    for document in yaml.safe_load_all(path.read_text("utf-8"))
}
CHINESE: dict[str, dict[str, Any]] = {
    name: texts for path in RULES.glob("*zh-CN.yml") for name, texts in yaml.safe_load(path.read_text("utf-8")).items()
}
CHAINS = {
    "", "proxylogon", "proxyshell", "proxytoken", "proxynotshell", "owassrf", "viewstate", "cve-2021-42321",
    "cve-2021-28480", "cve-2026-42897", "powershell-deserialisation", "ntlm-relay", "web-shell", "iis-persistence",
    "mail-theft", "tampering", "post-exploitation",
}  # fmt: skip
KINDS = {"web-shell", "iis-module", "transport-agent", "task", "service", "account", "wmi-subscription"}
HAN = re.compile(r"[\u4e00-\u9fff]")
EACH = pytest.mark.parametrize("name", sorted(DOCUMENTS))


def test_names_and_ids_are_unique() -> None:
    written = [d for p in sorted(RULES.glob("*/*.yml")) for d in yaml.safe_load_all(p.read_text("utf-8"))]
    assert len(written) == len(DOCUMENTS)
    assert len({d["id"] for d in written}) == len(written)


def test_file_names_are_rule_names() -> None:
    for path in RULES.glob("*/*.yml"):
        names = [d["name"] for d in yaml.safe_load_all(path.read_text("utf-8"))]
        assert len(names) == 1 or any("correlation" in DOCUMENTS[name] for name in names), path
        assert path.stem in names, path


@EACH
def test_header(name: str) -> None:
    rule = DOCUMENTS[name]
    uuid.UUID(rule["id"])
    assert rule["author"] == "Afterpatch"
    assert rule["status"] in ("stable", "test", "experimental")
    assert rule["level"] in ("informational", "low", "medium", "high", "critical")
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", rule["date"])
    assert rule["references"]
    assert all(link.startswith("https://") for link in rule["references"])
    assert any(tag.startswith("attack.t") for tag in rule["tags"])
    assert ("detection" in rule and "logsource" in rule) or "correlation" in rule
    assert rule["description"]


@EACH
def test_old_and_new_technique_numbers(name: str) -> None:
    tags = set(DOCUMENTS[name]["tags"])
    for old, new in (("attack.t1562.001", "attack.t1685"), ("attack.t1562.002", "attack.t1685.001")):
        assert (old in tags) <= (new in tags)


@EACH
def test_keys(name: str) -> None:
    rule, keys = DOCUMENTS[name], DOCUMENTS[name]["afterpatch"]
    assert keys["chain"] in CHAINS
    assert keys["stage"] in ("", "probed", "attempted", "succeeded", "wrote", "used")
    assert keys["confidence"] in ("low", "moderate", "high")
    assert keys["subject"]
    assert rule["falsepositives"] == keys["benign"]
    assert keys["next_steps"]
    if keys["role"] in ("scanner", "admin"):
        assert rule["level"] in ("informational", "low", "medium")
        assert keys["stage"] in ("", "probed")
    if keys["role"] == "intrusion":
        assert keys["stage"]
        assert rule["level"] != "informational"


@EACH
def test_texts_are_plain(name: str) -> None:
    keys = DOCUMENTS[name]["afterpatch"]
    texts = [DOCUMENTS[name]["title"], keys["explain"], *keys["benign"], *keys["next_steps"]]
    assert all(text == " ".join(text.split()) and "!" not in text for text in texts)
    assert all(text.endswith(".") and text[0].isupper() for text in texts[1:])
    assert len(DOCUMENTS[name]["title"]) <= 100
    assert len(keys["explain"]) <= 600


@EACH
def test_examples_are_there(name: str) -> None:
    rule = DOCUMENTS[name]
    if "correlation" in rule:
        return
    examples = rule["afterpatch"]["examples"]
    assert len(examples["fire"]) >= 1
    assert len(examples["quiet"]) >= 2
    if rule["logsource"].get("category") == "cmdlet":
        assert {one["kind"] for one in examples["fire"]} >= {"cmdlet", "admin-audit", "ecp-server"}


@EACH
def test_chinese_says_as_much(name: str) -> None:
    keys, chinese = DOCUMENTS[name]["afterpatch"], CHINESE[name]
    assert set(chinese) == {"title", "explain", "benign", "next_steps"}
    assert len(chinese["benign"]) == len(keys["benign"])
    assert len(chinese["next_steps"]) == len(keys["next_steps"])
    texts = [chinese["title"], chinese["explain"], *chinese["benign"], *chinese["next_steps"]]
    assert all(HAN.search(text) for text in texts)
    for text in (keys["explain"], DOCUMENTS[name]["title"]):
        shown = chinese["explain"] + chinese["title"]
        assert all(cve in shown for cve in re.findall(r"CVE-\d{4}-\d+", text))


def test_chinese_has_no_other_rules() -> None:
    assert set(CHINESE) == set(DOCUMENTS)


def test_only_an_answer_makes_a_back_door() -> None:
    """A rule on requests that names a back door speaks of a page that was answered, not of one that was asked for. Events
    and commands name other kinds, too."""
    for name, rule in DOCUMENTS.items():
        kind, source = rule["afterpatch"].get("backdoor"), rule.get("logsource", {})
        if kind and (source.get("product") == "windows" or source.get("category") == "cmdlet"):
            assert kind in KINDS, name
        elif kind:
            assert rule["afterpatch"]["stage"] == "used", name
            assert rule["afterpatch"]["role"] == "intrusion", name
            assert "url.page" in rule["afterpatch"]["subject"], name
