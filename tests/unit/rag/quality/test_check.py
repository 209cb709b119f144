import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.documents import PageSpan, ParsedDocument
from rag.quality import DEFAULT, FieldType, QualityRule, QualityRules, RecordSchema, check_quality
from tests.unit.rag.quality.texts import CHINESE, ENGLISH, GERMAN, broken_rules, plain, shifted

EVERYTHING = QualityRules(
    languages=frozenset({"en"}),
    record_schema=RecordSchema(required=("id",), types={"id": FieldType.INTEGER}),
    max_null_values=0.5,
)


@pytest.mark.parametrize(
    "text", [ENGLISH, GERMAN, CHINESE, "# Ümläüte\n\näöüß", "- buy milk\n- call Anna", "会议推迟"]
)
def test_good_texts_however_short(text: str) -> None:
    assert check_quality(plain(text)) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the document is empty"),
        (" \n\t\f\xa0\u200b"[:5], "the document is empty"),
        ("-----\n* * *\n… ??!", "the document holds signs only, no words and no numbers"),
        ("| | |\n|---|---|\n| | |", "the document holds signs only, no words and no numbers"),
        ("\uf0b7\n\uf0b7", "the document holds no words, only signs of a font without a character map"),
    ],
)
def test_empty_texts(text: str, message: str) -> None:
    (issue,) = check_quality(plain(text))
    assert (issue.rule, issue.message) == (QualityRule.EMPTY, message)


@pytest.mark.parametrize("text", ["Page 1", "- 12 -", "n/a", "Untitled", "中文", "# x"])
def test_texts_that_are_next_to_empty(text: str) -> None:
    (issue,) = check_quality(plain(text))
    assert issue.rule is QualityRule.TOO_SHORT
    assert text in issue.message


def test_how_short_a_text_may_be_can_be_set() -> None:
    assert broken_rules("Page 1", min_letters=5) == []
    assert broken_rules("Page 1", min_letters=6) == [QualityRule.TOO_SHORT]
    assert broken_rules("中文", min_letters=6) == []


def test_several_rules_are_named_in_their_order() -> None:
    text = "\n".join([shifted(ENGLISH, -29)] * 9)
    assert broken_rules(text) == [QualityRule.UNREADABLE, QualityRule.REPETITIVE]


@pytest.mark.parametrize("rule", QualityRule)
def test_a_rule_can_be_switched_off(rule: QualityRule) -> None:
    document = _breaking(rule)
    strict = {"languages": frozenset({"de"}), "record_schema": RecordSchema(("id",)), "max_null_values": 0.5}
    limits = (
        strict if rule in {QualityRule.LANGUAGE, QualityRule.RECORD_SCHEMA, QualityRule.NULL_VALUES} else {}
    )
    assert rule in broken_rules(document, **limits)
    assert rule not in broken_rules(document, **limits, off=frozenset({rule}))


def _breaking(rule: QualityRule) -> ParsedDocument:
    """A document that breaks a rule."""
    texts = {
        QualityRule.EMPTY: "...",
        QualityRule.TOO_SHORT: "n/a",
        QualityRule.WRONG_ENCODING: GERMAN.encode().decode("cp1252"),
        QualityRule.UNREADABLE: shifted(ENGLISH, -29),
        QualityRule.ENCODED_DATA: bytes(range(256)).hex(),
        QualityRule.REPETITIVE: "\n".join([ENGLISH] * 20),
        QualityRule.PLACEHOLDER: "404 Not Found\n\nnginx",
        QualityRule.NULL_VALUES: "| a | b | c |\n| --- | --- | --- |\n" + "| 1 |  |  |\n" * 20,
    }
    if rule is QualityRule.REPEATED_PAGES:
        return _pages([ENGLISH] * 4)
    if rule is QualityRule.BLANK_PAGES:
        return _pages([ENGLISH, *[""] * 9])
    return plain(texts.get(rule, ENGLISH))


def _pages(pages: list[str]) -> ParsedDocument:
    spans, text = [], ""
    for number, page in enumerate(pages, start=1):
        spans.append(PageSpan(number, len(text), len(text) + len(page)))
        text += f"{page}\n\f"
    return ParsedDocument(text=text, mime_type="application/pdf", pages=tuple(spans))


def test_languages_that_are_let_in() -> None:
    assert broken_rules(GERMAN, languages=frozenset({"de", "en"})) == []
    (issue,) = check_quality(plain(GERMAN), rules=QualityRules(languages=frozenset({"fr", "en"})))
    assert issue.message == "the document's language seems to be de; allowed are en, fr"


def test_a_text_in_no_language_is_let_in() -> None:
    numbers = "\n".join(f"{a} {a * a} {a**3} {a**4}" for a in range(50))
    assert broken_rules(numbers, languages=frozenset({"fr"})) == []


def test_rules_that_need_a_setting_are_off_by_default() -> None:
    assert (DEFAULT.languages, DEFAULT.record_schema, DEFAULT.max_null_values) == (None, None, None)
    assert check_quality(plain(GERMAN)) == check_quality(plain(GERMAN), rules=QualityRules()) == []


def test_a_long_text_is_looked_at_in_all_its_parts() -> None:
    good = "\n".join(f"{number}. {ENGLISH}" for number in range(1000))
    bad = shifted(good, -29)
    off = frozenset({QualityRule.REPETITIVE})
    assert broken_rules(good, off=off) == []
    assert broken_rules(bad + good, off=off) == broken_rules(good + bad, off=off) == [QualityRule.UNREADABLE]


@given(st.text(max_size=2000))
def test_any_text_is_judged_without_an_error_and_always_the_same(text: str) -> None:
    issues = check_quality(plain(text), rules=EVERYTHING)
    assert issues == check_quality(plain(text), rules=EVERYTHING)
    assert all(issue.message and "\n" not in issue.message for issue in issues)
    assert len({issue.rule for issue in issues}) == len(issues)


@given(st.lists(st.sampled_from(ENGLISH.split()), min_size=60, max_size=200, unique_by=None))
def test_words_in_any_order_are_readable(words: list[str]) -> None:
    assert QualityRule.UNREADABLE not in broken_rules(" ".join(words))
