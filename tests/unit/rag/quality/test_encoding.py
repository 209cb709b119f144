import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.quality import QualityRule, check_quality
from tests.unit.rag.quality.texts import GERMAN, LANGUAGES, broken_rules, plain

BROKEN = [QualityRule.WRONG_ENCODING]


@pytest.mark.parametrize(
    ("language", "written", "read"),
    [
        ("de", "utf-8", "cp1252"),
        ("de", "utf-8", "latin-1"),
        ("de", "utf-8", "cp1250"),
        ("de", "utf-8", "cp1251"),
        ("de", "utf-8", "cp437"),
        ("es", "utf-8", "mac-roman"),
        ("es", "utf-8", "ascii"),
        ("ru", "utf-8", "cp1252"),
        ("ru", "utf-8", "cp1251"),
        ("ru", "utf-8", "koi8-r"),
        ("ru", "utf-8", "cp866"),
        ("ru", "cp1251", "cp1252"),
        ("ru", "koi8-r", "cp1251"),
        ("ru", "cp1251", "koi8-r"),
        ("ru", "cp866", "cp1251"),
        ("ru", "cp1251", "cp866"),
        ("zh", "utf-8", "cp1252"),
        ("zh", "utf-8", "gbk"),
        ("zh", "gbk", "cp1252"),
        ("zh", "big5", "latin-1"),
        ("ja", "utf-8", "cp932"),
        ("ja", "cp932", "cp1252"),
        ("ko", "utf-8", "cp949"),
        ("ko", "euc-kr", "latin-1"),
        ("el", "cp1253", "cp1252"),
        ("he", "cp1255", "cp1252"),
        ("ar", "cp1256", "cp1252"),
        ("th", "utf-8", "cp1252"),
        ("hi", "utf-8", "latin-1"),
    ],
)
def test_text_read_in_a_wrong_encoding(language: str, written: str, read: str) -> None:
    text = LANGUAGES[language].encode(written, "replace").decode(read, "replace")
    assert QualityRule.WRONG_ENCODING in broken_rules(text)
    assert broken_rules(LANGUAGES[language]) == []


def test_the_message_says_how_much_and_why() -> None:
    text = GERMAN.encode().decode("cp1252")
    words = text.split()
    broken = [word for word in words if "Ã" in word]
    (issue,) = check_quality(plain(text))
    assert issue.message == (
        f"{len(broken) / len(words):.0%} of the words are unreadable; "
        "it looks like text that was read in the wrong encoding"
    )


@pytest.mark.parametrize(
    ("broken", "cause"),
    [
        (GERMAN.replace("e", "\ufffd"), "characters were lost"),
        (GERMAN.replace("e", "\x02"), "characters were lost"),
        ("".join(chr(0xE000 + ord(sign)) if sign in "enrst" else sign for sign in GERMAN), "a character map"),
        (" ".join(f"(cid:{ord(sign)})" for sign in GERMAN), "a character map"),
    ],
)
def test_characters_that_mean_nothing(broken: str, cause: str) -> None:
    messages = {issue.rule: issue.message for issue in check_quality(plain(broken))}
    assert cause in messages[QualityRule.WRONG_ENCODING]


@pytest.mark.parametrize(
    ("language", "written", "read"), [("zh", "utf-8", "gbk"), ("zh", "gbk", "big5"), ("ko", "utf-8", "cp949")]
)
def test_ideographs_and_syllables_that_nobody_uses(language: str, written: str, read: str) -> None:
    text = LANGUAGES[language].encode(written, "ignore").decode(read, "ignore")
    messages = {issue.rule: issue.message for issue in check_quality(plain(text))}
    assert "hardly ever used" in messages[QualityRule.WRONG_ENCODING]


def test_latin_words_with_cyrillic_letters_inside() -> None:
    assert QualityRule.WRONG_ENCODING in broken_rules(
        "Grün für müde Füße".encode().decode("cp1251", "replace")
    )


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(
            f"\uf0b7 {word} belongs to what is delivered" for word in ("Cable", "Case", "Manual", "Strap")
        ),
        "\x1b[32mINFO\x1b[0m server started\n\x1b[31mERROR\x1b[0m disk is full\n\x1b[33mWARN\x1b[0m stopping",
        "«\xa0La liberté\xa0», «\xa0l’égalité\xa0», «\xa0la fraternité\xa0», «\xa0été\xa0»\xa0: voilà\xa0!",
        ".\n├── src\n│   ├── main.py\n│   └── util.py\n├── tests\n└── README.md\n" * 3,
        "Er sagte „Ärger“ und „Ö“ – dann „Ü“. MAÑANA” y “CORAZÓN” – É… A»",
        "Windows®XP, Cisco®IOS, 20 °C, 5 µm, m²·K, a ± b, «à», ½ l, col·legi, il·lusió, Å–Ö, l´acqua",
        "вУЗ, ДонНТУ, iPhone и Wi‑Fi; 3D‑модель «Ёлка» № 5; ГОСТ; кВтч. Її лінії, мрії, Азії, Росії.",
        "# Umlaute\n\näöüß ÄÖÜ",
    ],
)
def test_what_only_looks_odd_is_good(text: str) -> None:
    assert broken_rules(text) == []


def test_broken_quotation_marks_alone_can_be_read() -> None:
    text = (
        "The river’s banks were steep and no one went there in winter, said the people of the village. " * 3
    ).strip()
    assert broken_rules(text.encode().decode("cp1252"), off=frozenset({QualityRule.REPETITIVE})) == []


def test_a_few_broken_words_of_many_are_let_in() -> None:
    text = f"{GERMAN} " * 4 + "fÃ¼r lÃ¶schen"
    assert broken_rules(text) == []


def test_the_limit_can_be_set() -> None:
    text = f"{GERMAN} " * 4 + "fÃ¼r lÃ¶schen mÃ¼de"
    assert broken_rules(text) == []
    assert broken_rules(text, max_broken_words=0.01) == BROKEN


@given(st.lists(st.text("äöüßéèñçøåő", min_size=2, max_size=8), min_size=10, max_size=60))
def test_any_accented_words_encoded_twice_are_seen(words: list[str]) -> None:
    text = " ".join(f"a{word}e" for word in words)
    assert QualityRule.WRONG_ENCODING in broken_rules(text.encode().decode("latin-1"))


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=300))
def test_no_ascii_is_in_a_wrong_encoding(text: str) -> None:
    assert QualityRule.WRONG_ENCODING not in broken_rules(text.replace("(cid:", ""))
