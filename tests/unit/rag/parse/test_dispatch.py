from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import InvalidInputError, UnreadableFileError, UnsupportedTypeError
from rag.parse import FileType, parse, parse_text
from tests.unit.rag.parse.pdf_files import pdf_file
from tests.unit.rag.parse.zip_files import epub_file, zip_file

MAGIC = [
    b"",
    b"%PDF-1.7\n",
    b"<html>",
    b"# x\n",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xff\xfe\x00\x00",
    b"---\na: b\n",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"GIF89a",
    b"II*\x00",
    b"RIFFxxxxWEBP",
    b'<?xml version="1.0"?><a>',
    b'{"a":',
    b'[{"a": 1}, ',
    b"From: x\nMIME-Version: 1.0\nSubject: y\n\n",
    b"a,b,c\n1,2,3\n",
]
KINDS: list[str | None] = [None, *FileType]
EXTENSIONS = (
    "txt md html pdf docx pptx xlsx odt epub csv tsv json jsonl rst eml zip xml png jpg tif webp gif bmp"
)
NAMES = [None, "a", ".", "a.unknown", *(f"a.{extension}" for extension in EXTENSIONS.split())]


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
        (b"a,b\n1,2", "a.csv", FileType.CSV, "| a | b |\n| --- | --- |\n| 1 | 2 |"),
        (b"a\tb\n1\t2", "a.tsv", FileType.TSV, "| a | b |\n| --- | --- |\n| 1 | 2 |"),
        (b'{"a": 1}', "a.json", FileType.JSON, "a: 1"),
        (b'{"a": 1}\n{"a": 2}', None, FileType.JSONL, "a: 1\n\na: 2"),
        (b"T\n=\n\n*x*", "a.rst", FileType.RST, "T\n\nx"),
        (b"<a><p>x</p></a>", "a.xml", FileType.XML, "x"),
        (b"<?xml version='1.0'?><html><p>x", "a.xml", FileType.HTML, "x"),
        (b"From: x\n\nHi", "a.eml", FileType.EML, "From: x\n\nHi"),
        (b"From: x\nMIME-Version: 1.0\nTo: y\n\nHi", None, FileType.EML, "From: x\nTo: y\n\nHi"),
        (zip_file({"b.txt": "x"}), "a.bin", FileType.ZIP, "b.txt\n\nx"),
        (epub_file({"b.xhtml": "<p>x</p>"}), "a.zip", FileType.EPUB, "x"),
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
    with pytest.raises(UnsupportedTypeError, match=r"\.mp3 files are not supported"):
        parse(b"...", filename="a.mp3", mime_type=None)


@pytest.mark.parametrize(
    "kind", ["docx", "pptx", "xlsx", "odt", "epub", "png", "jpg", "tif", "webp", "gif", "bmp"]
)
def test_every_kind_of_name_reaches_a_parser_that_refuses_rubbish(kind: str) -> None:
    for data in (b"no such file", b"PK\x03\x04 no such file", zip_file({"a": "b"})):
        if kind in {"docx", "pptx", "xlsx", "odt", "epub"} or not data.startswith(b"PK"):
            with pytest.raises(UnreadableFileError):
                parse(data, filename=f"a.{kind}", mime_type=None)


def test_files_in_files_share_one_limit_of_depth() -> None:
    data = b"innermost"
    for depth in range(8):
        name = "a.txt" if depth == 0 else "a.eml"
        data = (
            b"From: x\nContent-Type: multipart/mixed; boundary=b%d\n\n--b%d\n"
            b"Content-Disposition: attachment; filename=%s\n\n" % (depth, depth, name.encode())
        ) + data
    document = parse(data, filename="a.eml", mime_type=None)
    assert "innermost" not in document.text
    assert document.warnings[0].endswith("files inside files are read 6 deep, no deeper")


def test_texts_are_parsed_by_their_type() -> None:
    assert parse_text("# T\r\n").title is None
    assert parse_text("# T\r\n", mime_type="text/markdown").title == "T"
    assert parse_text("<p>T", mime_type="text/html").text == "T"
    assert parse_text("a,b\n1,2", mime_type="text/csv").records
    assert parse_text('[{"a": 1}, {"a": 2}]', mime_type="application/json").records


@pytest.mark.parametrize("mime_type", ["application/pdf", "application/zip", "message/rfc822", ""])
def test_texts_of_other_types_are_refused(mime_type: str) -> None:
    with pytest.raises(InvalidInputError, match="a text is one of"):
        parse_text("x", mime_type=mime_type)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # how Pillow tells of damaged pictures
@given(
    st.sampled_from(MAGIC),
    st.binary(max_size=300),
    st.sampled_from(NAMES),
    st.sampled_from(KINDS),
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


PACKAGES = {
    FileType.DOCX: ("word/document.xml", "[Content_Types].xml"),
    FileType.PPTX: ("ppt/presentation.xml", "[Content_Types].xml"),
    FileType.XLSX: ("xl/workbook.xml", "[Content_Types].xml"),
    FileType.ODT: ("content.xml", "META-INF/manifest.xml"),
    FileType.EPUB: ("book.opf", "META-INF/container.xml"),
}


@given(st.sampled_from(sorted(PACKAGES)), st.binary(max_size=60), st.sampled_from([b"", b"<a>", b"<?xml?>"]))
def test_packages_of_rubbish_give_one_of_our_errors(kind: FileType, content: bytes, before: bytes) -> None:
    data = zip_file(dict.fromkeys(PACKAGES[kind], before + content))
    extension = kind.name.lower()
    with pytest.raises(InvalidInputError):
        parse(data, filename=f"a.{extension}", mime_type=kind)


@given(
    st.text(max_size=200),
    st.sampled_from([kind for kind in FileType if kind.startswith("text/")] + ["application/xml"]),
)
def test_any_text_gives_a_document_or_one_of_our_errors(text: str, mime_type: str) -> None:
    try:
        document = parse_text(text, mime_type=mime_type)
    except InvalidInputError:
        return
    document.text.encode()
