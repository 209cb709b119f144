from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import InvalidInputError, UnreadableFileError, UnsupportedTypeError
from rag.parse import FileType, parse, parse_text
from tests.unit.rag.parse.pdf_files import pdf_file

MAGIC = [
    b"",
    b"%PDF-1.7\n",
    b"<html>",
    b"# x\n",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xff\xfe\x00\x00",
    b"---\na: b\n",
]
NAMES = [None, "a.md", "a.html", "a.txt", "a.pdf", "a", ".", "a.unknown"]


@pytest.mark.parametrize(
    ("data", "filename", "mime_type", "text"),
    [
        (b"plain", "a.txt", FileType.TEXT, "plain"),
        (b"# Title", "a.md", FileType.MARKDOWN, "# Title"),
        (b"<p>Text", "a.html", FileType.HTML, "Text"),
        (b"<!doctype html><p>Text", None, FileType.HTML, "Text"),
        ("<html><p>Text".encode("utf-16"), None, FileType.HTML, "Text"),
        (pdf_file("Text"), "a.bin.txt", FileType.PDF, "Text"),
        (b"no name", None, FileType.TEXT, "no name"),
    ],
)
def test_each_kind_goes_to_its_parser(
    data: bytes, filename: str | None, mime_type: FileType, text: str
) -> None:
    document = parse(data, filename=filename, mime_type=None)
    assert (document.mime_type, document.text) == (mime_type, text)


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        ("<p>naïve".encode("cp1252"), "text/html; charset=ISO-8859-1"),
        ("<meta charset=iso-8859-1><p>naïve".encode("cp1252"), "text/html"),
        (
            "<meta http-equiv=Content-Type content='text/html; charset=cp1252'><p>naïve".encode("cp1252"),
            "text/html",
        ),
        ("<meta charset=iso-8859-1><p>naïve".encode(), "text/html"),
    ],
)
def test_html_says_its_encoding(data: bytes, mime_type: str) -> None:
    assert parse(data, filename=None, mime_type=mime_type).text == "naïve"


def test_an_empty_file_is_unreadable_whatever_its_name() -> None:
    for filename in ("a.txt", "a.pdf", "a.html", None):
        with pytest.raises(UnreadableFileError, match="the file is empty"):
            parse(b"", filename=filename, mime_type=None)


def test_an_unsupported_kind_is_refused() -> None:
    with pytest.raises(UnsupportedTypeError, match=r"\.docx files are not supported"):
        parse(b"PK\x03\x04...", filename="a.docx", mime_type=None)


def test_texts_are_parsed_by_their_type() -> None:
    assert parse_text("# T\r\n").title is None
    assert parse_text("# T\r\n", mime_type="text/markdown").title == "T"
    assert parse_text("<p>T", mime_type="text/html").text == "T"


@pytest.mark.parametrize("mime_type", ["application/pdf", "text/csv", ""])
def test_texts_of_other_types_are_refused(mime_type: str) -> None:
    with pytest.raises(InvalidInputError, match="a text is one of"):
        parse_text("x", mime_type=mime_type)


@given(
    st.sampled_from(MAGIC),
    st.binary(max_size=300),
    st.sampled_from(NAMES),
    st.sampled_from([None, "text/html"]),
)
def test_any_bytes_give_a_document_or_one_of_our_errors(
    magic: bytes, rest: bytes, filename: str | None, mime_type: str | None
) -> None:
    try:
        document = parse(magic + rest, filename=filename, mime_type=mime_type)
    except InvalidInputError:
        return
    document.text.encode()
    assert document.text.strip()
    assert not set(document.text) & {"\x00", "\r"}


@given(st.binary(min_size=1, max_size=20), st.integers(0, 900))
def test_damaged_pdfs_give_a_document_or_one_of_our_errors(damage: bytes, at: int) -> None:
    data = bytearray(pdf_file("Some text", "More text"))
    data[at : at + len(damage)] = damage
    with suppress(InvalidInputError):
        assert parse(bytes(data), filename="a.pdf", mime_type=None).text.strip()


@given(st.text(max_size=200), st.sampled_from(["text/plain", "text/markdown", "text/html"]))
def test_any_text_gives_a_document_or_one_of_our_errors(text: str, mime_type: str) -> None:
    try:
        document = parse_text(text, mime_type=mime_type)
    except InvalidInputError:
        return
    document.text.encode()
