import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.analysis import CONFIGURATIONS, analyse, configuration_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't PANIC!", "don t panic"),
        ("s3:GetObject in us-east-1", "s3 getobject in us east 1"),
        ("snake_case /etc/hosts 10.5", "snake case etc hosts 10 5"),
        ("\ufb01ne \uff21\uff22", "fine ab"),
        ("ÄRGER Straße ŻÓŁW", "ärger straße żółw"),
        ("日本語のテスト", "日本 本語 語の のテ テス スト"),
        ("年假 policy 猫", "年假 policy 猫"),
        ("한국어 처리", "한국 국어 처리"),
        ("ภาษาไทย", "ภา าษ ษา าไ ไท ทย"),
        ("हिन्दी में", "हिन्दी में"),
        ("🍏 & | ! <-> :*", ""),
    ],
)
def test_text_becomes_plain_words(text: str, words: str) -> None:
    assert analyse(text) == words


@given(st.text())
def test_only_words_with_single_spaces_are_left(text: str) -> None:
    words = analyse(text)
    assert words == " ".join(words.split())
    assert analyse(words.replace(" ", "\n")).split()[:1] == words.split()[:1]


def test_a_language_without_a_configuration_is_not_stemmed() -> None:
    assert configuration_of("de") == "german"
    assert configuration_of("zh") == configuration_of("pl") == "simple"
    assert configuration_of(None) == "english"
    assert all(len(code) == 2 for code in CONFIGURATIONS)
