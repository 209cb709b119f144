import pytest

from rag.errors import UnreadableFileError, UnsupportedTypeError
from rag.parse.detect import detect
from rag.parse.types import FileType
from tests.unit.rag.parse.zip_files import CONTAINER, office_outline, ole_file, zip_file

ODT = "application/vnd.oasis.opendocument.text"


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
        (b"a,b", "t.csv", "application/vnd.ms-excel", FileType.CSV),
        (b"x", "t.tsv", None, FileType.TSV),
        (b"{}", None, "application/x-ndjson", FileType.JSONL),
        (b"{}", "t.json", None, FileType.JSON),
        (b"x", "readme.rst", "text/plain", FileType.RST),
        (b"From: x", "m.eml", None, FileType.EML),
        (b"<x/>", None, "text/xml", FileType.XML),
    ],
)
def test_the_name_then_the_mime_type_tell_a_text(
    data: bytes, filename: str | None, mime_type: str | None, expected: FileType | None
) -> None:
    assert detect(data, filename=filename, mime_type=mime_type) is expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"%PDF-1.7", FileType.PDF),
        (b"\n %PDF-1.4", FileType.PDF),
        (b"\x89PNG\r\n\x1a\n", FileType.PNG),
        (b"\xff\xd8\xff\xe0", FileType.JPEG),
        (b"GIF89a", FileType.GIF),
        (b"II*\x00", FileType.TIFF),
        (b"MM\x00*", FileType.TIFF),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", FileType.WEBP),
        (b"BM\x46\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00", FileType.BMP),
        (office_outline("word"), FileType.DOCX),
        (office_outline("ppt"), FileType.PPTX),
        (office_outline("xl"), FileType.XLSX),
        (zip_file({"mimetype": ODT, "content.xml": "<x/>"}), FileType.ODT),
        (zip_file({"mimetype": "application/epub+zip"}), FileType.EPUB),
        (zip_file({"META-INF/container.xml": CONTAINER}), FileType.EPUB),
        (zip_file({"mydocs/[Content_Types].xml": "", "word/a.txt": "a"}), FileType.ZIP),
        (zip_file({}), FileType.ZIP),
        (b"PK\x03\x04 cut off", FileType.ZIP),
    ],
)
@pytest.mark.parametrize("filename", [None, "file.bin", "file.txt", "file.zip", "file.jpeg", "file.doc"])
def test_content_wins_over_the_name(data: bytes, expected: FileType, filename: str | None) -> None:
    if expected is FileType.ZIP and filename == "file.doc":
        return  # an archive by this name is refused for its name
    assert detect(data, filename=filename, mime_type="text/plain") is expected


def test_a_pdf_may_begin_late_when_its_name_says_so() -> None:
    data = b"junk before\n%PDF-1.4"
    assert detect(data, filename="a.pdf", mime_type=None) is FileType.PDF
    assert detect(data, filename="a.md", mime_type=None) is FileType.MARKDOWN


def test_text_that_begins_like_a_bitmap_is_text() -> None:
    assert detect(b"BMW builds cars in Munich, and elsewhere", filename="a", mime_type=None) is None


def test_a_damaged_office_file_goes_to_the_parser_of_its_name() -> None:
    assert detect(b"PK\x03\x04 cut off", filename="a.docx", mime_type=None) is FileType.DOCX
    assert detect(zip_file({"a.txt": "x"}), filename="a.epub", mime_type=None) is FileType.EPUB


@pytest.mark.parametrize(
    ("data", "filename", "mime_type", "message"),
    [
        (b"\x1f\x8b\x08", None, None, "gzip archive; unpack it first"),
        (b"{\\rtf1", "a.txt", None, r"RTF document; save it as \.docx"),
        (ole_file("WordDocument"), "a.docx", None, r"old Word document \(\.doc\); save it as \.docx"),
        (ole_file("Workbook"), None, None, r"old Excel workbook \(\.xls\); save it as \.xlsx"),
        (ole_file("PowerPoint Document"), None, None, r"old PowerPoint .*; save it as \.pptx"),
        (ole_file("__properties_version1.0"), None, None, r"Outlook message .*; save it as \.eml"),
        (ole_file("Something"), None, None, "old Office format"),
        (zip_file({"[Content_Types].xml": "", "xl/workbook.bin": ""}), None, None, r"\(\.xlsb\); save it"),
        (zip_file({"mimetype": ODT.replace("text", "spreadsheet")}), None, None, "OpenDocument spreadsheet"),
        (zip_file({"a.class": ""}), "a.jar", None, r"\.jar files"),
        (b"x", "a.doc", None, r"\.doc files are not supported; save it as \.docx"),
        (b"x", "a.mp3", None, r"\.mp3 files"),
        (b"x", None, "image/heic", "image/heic"),
        (b"x", None, "application/vnd.ms-excel", "ms-excel"),
    ],
)
def test_other_kinds_are_refused_with_advice_and_the_supported_ones(
    data: bytes, filename: str | None, mime_type: str | None, message: str
) -> None:
    with pytest.raises(UnsupportedTypeError, match=rf"{message}.*; PDF, Word \(\.docx\).* are supported"):
        detect(data, filename=filename, mime_type=mime_type)


def test_an_encrypted_office_file_says_that_it_needs_a_password() -> None:
    with pytest.raises(UnreadableFileError, match="protected by a password"):
        detect(ole_file("EncryptedPackage"), filename="a.xlsx", mime_type=None)


def test_the_words_of_a_stream_count_only_in_the_directory() -> None:
    data = ole_file("WordDocument") + b"odd" + "EncryptedPackage".encode("utf-16-le") + bytes(2)
    with pytest.raises(UnsupportedTypeError, match="old Word document"):
        detect(data, filename=None, mime_type=None)


@pytest.mark.parametrize(
    ("filename", "mime_type", "kind"),
    [
        ("report.pdf", None, "a PDF"),
        ("report.docx", None, "a Word document"),
        (None, "image/png", "a PNG image"),
        ("x.zip", "text/plain", "a ZIP archive"),
    ],
)
def test_a_name_does_not_make_a_binary_kind(filename: str | None, mime_type: str | None, kind: str) -> None:
    with pytest.raises(UnreadableFileError, match=f"the file is called {kind} but is not one"):
        detect(b"<html>Please log in</html>", filename=filename, mime_type=mime_type)
