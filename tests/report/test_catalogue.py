"""The catalogues: both languages say the same, and every key that the program uses has a text."""

import re
from pathlib import Path

import pytest
import yaml

from example import finding, at  # isort: skip

from afterpatch.census.words import words
from afterpatch.model import DetectionState, UsageError
from afterpatch.report.catalogue import LANGUAGES, Catalogue
from afterpatch.report.text import message

SOURCE = Path(__file__).parents[2] / "src" / "afterpatch"
MESSAGES = SOURCE / "report" / "messages"
PLACE = re.compile(r"\{([a-z_]+)(?::[^|{}]*\|[^|{}]*)?\}")
KEY = re.compile(
    r"""(?:msg:|["'])((?:verdict|question|missing|artifact|timeline|notice|gap|ui|impact|certainty|stage|chain|state|"""
    r"""severity|confidence|origin|indicator|check|basis|progress|likelihood|exposure|answerable|detection|backdoor)\.[a-z0-9][A-Za-z0-9_.-]*)(?=["'|:])"""
)
CENSUS = words("en").texts  # a command of its own, with its own words
EN, ZH = (Catalogue.load(language) for language in LANGUAGES)
# Dotted names that look like keys and are none: fields of records, file names.
NO_KEYS = frozenset({"artifact.yml"})


def sources() -> list[Path]:
    """Every source and template of the package."""
    return [one for pattern in ("*.py", "*.html") for one in sorted(SOURCE.rglob(pattern))]


def used_keys() -> dict[str, str]:
    """Key -> the file that uses it."""
    found = {}
    for path in sources():
        for key in KEY.findall(path.read_text(encoding="utf-8")):
            if not key.endswith((".yml", ".html", ".py", ".", "-")):
                found.setdefault(key, path.name)
    return found


def notice_keys() -> dict[str, str]:
    """Notice keys in any form, also in formatted strings (`notice.x: ...`)."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for key in re.findall(r"""["'](notice\.[a-z0-9-]*[a-z0-9])(?=["':])""", text):
            found.setdefault(key, str(path.relative_to(SOURCE)))
        for key in re.findall(r"""["'](indicator-[a-z-]+)["']""", text):
            found.setdefault(f"notice.{key}", str(path.relative_to(SOURCE)))
    return found


def test_both_languages_have_the_same_keys() -> None:
    assert list(EN.texts) == list(ZH.texts)


def test_both_languages_have_the_same_placeholders() -> None:
    different = [key for key in EN.texts if set(PLACE.findall(EN.texts[key])) != set(PLACE.findall(ZH.texts[key]))]
    assert different == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_key_is_given_twice_and_no_text_is_broken(language: str) -> None:
    text = (MESSAGES / f"{language}.yml").read_text(encoding="utf-8")
    keys = re.findall(r"(?m)^([a-z][A-Za-z0-9_.-]*): ", text)
    assert [key for key in keys if keys.count(key) > 1] == []
    for key, value in yaml.safe_load(text).items():
        assert isinstance(value, str), key
        assert value.count("[[") == value.count("]]"), key
        assert "{" not in PLACE.sub("", value), key


def test_chinese_texts_are_chinese() -> None:
    names = re.compile(r"chain\..*\.name|missing\.agents-config|artifact\.agents-config|ui\.col\.cve")
    plain = re.compile(r"[A-Za-z0-9 .,&()-]*\Z")
    skipped = {"ui.list-separator", "ui.finding.techniques", "ui.hash", "ui.subject.url", "backdoor.kind.web-shell"}
    same = [key for key in ZH.texts if plain.match(ZH.texts[key]) and not names.match(key) and key not in skipped]
    assert same == []


def test_the_word_clean_is_never_used() -> None:
    assert [key for key, text in EN.texts.items() if re.search(r"\bclean\b", text, re.IGNORECASE)] == []


def test_every_key_used_in_the_source_has_a_text() -> None:
    groups = {key.rpartition(".")[0] for key in EN.texts}  # `name("backdoor.state", ...)`
    missing = {key: path for key, path in used_keys().items() if key not in {*EN.texts, *CENSUS, *groups, *NO_KEYS}}
    assert len(used_keys()) > 100
    assert missing == {}


def test_every_notice_used_in_the_source_has_a_text() -> None:
    missing = {key: path for key, path in notice_keys().items() if key not in {*EN.texts, *CENSUS}}
    assert len(notice_keys()) > 30
    assert missing == {}


def test_every_chain_artifact_and_question_has_a_name() -> None:
    chains = SOURCE / "assess" / "chains.yml"
    artifacts = SOURCE / "evidence" / "artifacts.yml"
    keys = set()
    for chain in yaml.safe_load(chains.read_text(encoding="utf-8"))["chains"] if chains.exists() else ():
        keys |= {f"chain.{chain['id']}.name", f"chain.{chain['id']}.what"}
        keys |= {f"missing.{one}" for one in [*chain.get("needs", ()), *chain.get("proof", ())]}
    kinds = re.findall(r"\bkind: ([a-z][a-z-]*)", artifacts.read_text(encoding="utf-8")) if artifacts.exists() else ()
    for kind in kinds:
        keys |= {f"artifact.{kind}", f"missing.{kind}"}
    # Reasons that the readers give as words: `notice.line-<reason>`, `notice.lost-<what>`.
    reasons = ("too-long", "nul-padding", "unclosed-quote", "no-schema", "too-few-columns", "bad-timestamp", "cut")
    keys |= {f"notice.line-{one}" for one in reasons}
    plane = "".join(path.read_text(encoding="utf-8") for path in (SOURCE / "detect").rglob("*.py"))
    keys |= {f"notice.lost-{one}" for one in re.findall(r"""\.lost\["([a-z-]+)"\]""", plane)}
    if len(keys) < 10:
        pytest.skip("neither chains.yml nor artifacts.yml is here yet")
    assert {key for key in keys if key not in EN.texts} == set()


def test_an_unknown_language_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="zh-CN"):
        Catalogue.load("de")


def test_an_unknown_key_reads_as_words_with_its_values() -> None:
    assert EN.words("msg:verdict.limit.odd-thing|path=C:\\x") == "Odd thing: C:\\x"
    assert EN.notice("notice.never-heard: of it") == "Never heard (of it)"


def test_parts_with_missing_values_are_left_out() -> None:
    assert EN.text("verdict.summary.compromised") == "Somebody got into this server."
    text = EN.text("verdict.summary.compromised", chain="proxylogon", first="2021-03-03T05:00:00Z", count=1)
    assert text == "Somebody got into this server through ProxyLogon (seen from 2021-03-03 05:00:00Z); 1 back door found."
    assert "2 back doors" in EN.text("verdict.summary.compromised", count=2)


def test_a_list_of_ids_reads_as_names() -> None:
    assert "ProxyLogon" in EN.words(message("question.chain", name="proxylogon"))
    assert EN.text("question.chain", name="something else") == "Did somebody come in through something else?"


@pytest.mark.parametrize("value", ["{first}", "[[{sources}]]", "{count:a|b}", "\\1", "{{x}}"])
def test_a_value_is_never_looked_at_again(value: str) -> None:
    text = EN.words(message("verdict.reason.backdoor-present", path=value, first="LEAK", sources="LEAK", count="1"))
    assert text == f"A back door is on the server: {value}."


def test_published_domains_are_defanged_and_named() -> None:
    text = EN.words(message("indicator.title", type="domain", value="evil.example"))
    assert text == "A value published as an indicator (domain): evil[.]example"
    assert "x.aspx" in EN.words(message("indicator.title", type="file-name", value="x.aspx"))


def test_rules_speak_the_catalogue_s_language() -> None:
    texts = {"shell": {"title": "标题", "explain": "说明", "benign": ["甲"], "next_steps": ["乙", "丙"]}}
    chinese = Catalogue.load("zh-CN", texts)
    one = finding(1, "Title", "high", at(1), tags=("rule:shell",))
    assert (chinese.title(one), chinese.explanation(one)) == ("标题", "说明")
    assert (chinese.benign(one), chinese.next_steps(one)) == (["甲"], ["乙", "丙"])
    assert ZH.title(one) == "Title"
    assert chinese.detection_title(DetectionState("shell", "quiet", "Title")) == "标题"


def test_more_keys_can_be_given() -> None:
    more = Catalogue.load("en", extra={"action.patch": "Install the update."})
    assert more.words("msg:action.patch") == "Install the update."
    assert EN.words("msg:action.patch") == "Patch"
