import codecs

import pytest

from rag.errors import InvalidInputError, UnreadableFileError
from rag.parse.decode import check_text, decode

GERMAN = "Grüße aus Köln, schöne Straße"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_decides_and_is_dropped(encoding: str) -> None:
    assert decode(GERMAN.encode(encoding)) == GERMAN


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_encodings_are_told_by_their_nuls(encoding: str) -> None:
    assert (
        decode("plain ASCII, valid UTF-8 with NULs".encode(encoding)) == "plain ASCII, valid UTF-8 with NULs"
    )


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "cp1252"),
        ("“Quoted” – it’s 5 €", "cp1252"),
        ("Zażółć gęślą jaźń, proszę państwa. Pięć książek leży na półce.", "cp1250"),
        ("Привет, как дела? Это простой текст.", "cp1251"),
        ("日本語のテキストです。漢字とひらがな。", "cp932"),
    ],
)
def test_legacy_encodings_are_detected(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_what_says_that_it_is_utf8_may_be_damaged_more() -> None:
    damaged = GERMAN.encode() + b" gr\xfcn"
    assert decode(damaged, declared="UTF-8") == GERMAN + " gr\ufffdn"
    assert "\ufffd" not in decode(damaged)


def test_what_is_not_utf8_in_most_places_is_not_whatever_it_says() -> None:
    assert decode(GERMAN.encode("cp1252"), declared="utf-8") == GERMAN


def test_utf8_survives_a_few_damaged_bytes() -> None:
    damaged = (GERMAN * 10).encode() + b" \xff " + GERMAN.encode()
    assert decode(damaged) == GERMAN * 10 + " \ufffd " + GERMAN


def test_the_declared_encoding_is_used_when_it_is_not_utf8() -> None:
    assert decode("naïve".encode("cp1252"), declared="ISO-8859-1") == "naïve"
    assert decode("日本".encode("iso2022_jp"), declared="iso-2022-jp") == "日本"


@pytest.mark.parametrize(
    "declared", ["utf-16", "no-such", "base64", "rot13", "\x00", "undefined", "idna", "utf-8"]
)
def test_a_wrong_declaration_does_no_harm(declared: str) -> None:
    assert decode(GERMAN.encode(), declared=declared) == GERMAN
    assert decode(b"ascii", declared=declared) == "ascii"
    assert decode(GERMAN.encode("cp1252"), declared=declared) == GERMAN


def test_line_ends_become_newlines() -> None:
    assert decode(b"a\r\nb\rc\nd") == "a\nb\nc\nd"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b" \n\t ", "holds no text"),
        (codecs.BOM_UTF8, "holds no text"),
        (codecs.BOM_UTF16_LE, "holds no text"),
        (b"a\x00b, some text", "NUL characters .the first at character 1."),
        (bytes(range(256)), "NUL|not text"),
        (b"\xff\x01\x02\x9d\x81 text", "not text in any known encoding"),
    ],
)
def test_what_is_not_text_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(UnreadableFileError, match=message):
        decode(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ab\x00", "a NUL character at character 2"),
        ("a\ud800b", r"a lone surrogate \(U\+D800\) at character 1"),
        ("", "empty"),
        (" \n ", "empty"),
    ],
)
def test_a_given_text_is_checked(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        check_text(text)


def test_a_given_text_gets_newlines() -> None:
    assert check_text("a\r\nb") == "a\nb"
