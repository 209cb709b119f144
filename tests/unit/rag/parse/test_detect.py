import pytest

from rag.errors import UnreadableFileError, UnsupportedTypeError
from rag.parse.detect import detect, sniff
from rag.parse.types import FileType


@pytest.mark.parametrize(
    ("data", "filename", "mime_type", "expected"),
    [
        (b"x", "notes.md", None, FileType.MARKDOWN),
        (b"x", "a/b.c/NOTES.TXT", "text/html", FileType.TEXT),
        (b"x", "notes.HTM", "application/octet-stream", FileType.HTML),
        (b"x", "C:\\files\\notes.markdown", None, FileType.MARKDOWN),
        (b"x", None, "Text/HTML; charset=utf-8", FileType.HTML),
        (b"x", "notes.v2", "text/markdown", FileType.MARKDOWN),
        (b"x", "notes.v2", "application/octet-stream", None),
        (b"x", None, None, None),
        (b"%PDF-1.7", "notes.txt", "text/plain", FileType.PDF),
        (b"\n %PDF-1.4", None, None, FileType.PDF),
        (b"junk before\n%PDF-1.4", "a.pdf", None, FileType.PDF),
        (b"about the header %PDF-1.4", "a.md", None, FileType.MARKDOWN),
    ],
)
def test_content_then_name_then_mime_type(
    data: bytes, filename: str | None, mime_type: str | None, expected: FileType | None
) -> None:
    assert detect(data, filename=filename, mime_type=mime_type) is expected


@pytest.mark.parametrize(
    ("data", "filename", "mime_type", "message"),
    [
        (b"PK\x03\x04", "notes.txt", "text/plain", "ZIP container"),
        (b"PK\x03\x04", "report.docx", None, r"\.docx files"),
        (b"\x89PNG\r\n\x1a\n", None, None, "PNG"),
        (b"\x1f\x8b\x08", None, None, "gzip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", None, None, "Office"),
        (b"a,b", "table.csv", "text/plain", r"\.csv files"),
        (b"x", None, "image/png", "image/png"),
        (b"x", None, "application/vnd.ms-excel", "ms-excel"),
    ],
)
def test_other_kinds_are_refused_with_the_supported_ones(
    data: bytes, filename: str | None, mime_type: str | None, message: str
) -> None:
    with pytest.raises(
        UnsupportedTypeError, match=f"{message}.*PDF, HTML, Markdown and plain text are supported"
    ):
        detect(data, filename=filename, mime_type=mime_type)


def test_a_name_does_not_make_a_pdf() -> None:
    with pytest.raises(UnreadableFileError, match="no PDF header"):
        detect(b"<html>Please log in</html>", filename="report.pdf", mime_type=None)


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE html><p>x",
        "\n <HTML lang=en>",
        '<?xml version="1.0"?><html/>',
        "<!-- a --><body>",
        "<p>x</p>",
    ],
)
def test_html_is_sniffed(text: str) -> None:
    assert sniff(text) is FileType.HTML


@pytest.mark.parametrize("text", ["a < b", "<3 hearts", "<unknown>x", "# Title", "html"])
def test_the_rest_is_plain_text(text: str) -> None:
    assert sniff(text) is FileType.TEXT


def test_other_xml_is_refused() -> None:
    with pytest.raises(UnsupportedTypeError, match="XML"):
        sniff('<?xml version="1.0"?><rss/>')
