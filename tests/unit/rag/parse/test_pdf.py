from concurrent.futures import ThreadPoolExecutor

import pytest

from rag.errors import InvalidInputError, UnreadableFileError
from rag.parse.pdf import parse_pdf
from tests.unit.rag.parse.pdf_files import encrypted_pdf_file, pdf_file


def test_pages_have_exact_spans() -> None:
    document = parse_pdf(pdf_file("First page.", "", "Third page.", title="Annual report"))
    assert document.text == "First page.\n\f\n\fThird page."
    assert [(page.number, document.text[page.start : page.end]) for page in document.pages] == [
        (1, "First page."),
        (2, ""),
        (3, "Third page."),
    ]
    assert document.title == "Annual report"
    assert document.warnings == ("no text on page 2",)


@pytest.mark.parametrize(
    "title", ["", "Untitled", "report_final.docx", "Microsoft Word - x", "123-45", "scan 3"]
)
def test_placeholders_are_no_titles(title: str) -> None:
    assert parse_pdf(pdf_file("Text", title=title)).title is None


def test_an_empty_user_password_is_no_hindrance() -> None:
    assert parse_pdf(encrypted_pdf_file("Secret plan", opens_without_password=True)).text == "Secret plan"


def test_a_password_is_asked_for() -> None:
    with pytest.raises(UnreadableFileError, match="needs a password"):
        parse_pdf(encrypted_pdf_file("Secret plan", opens_without_password=False))


def test_a_scan_is_told_apart() -> None:
    with pytest.raises(UnreadableFileError, match="holds no text; scanned pages need OCR"):
        parse_pdf(pdf_file("", ""))


@pytest.mark.parametrize("data", [b"%PDF-1.7", b"%PDF-1.7\n" + b"\x00\xff junk" * 50, b"not a pdf"])
def test_a_broken_file_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableFileError, match="broken"):
        parse_pdf(data)


def test_a_damaged_cross_reference_table_is_rebuilt() -> None:
    data = pdf_file("Still readable").replace(b"startxref\n", b"startxref\n9")
    assert parse_pdf(data).text == "Still readable"


def test_too_many_pages_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="3 pages; at most 2"):
        parse_pdf(pdf_file("a", "b", "c"), max_pages=2)


def test_threads_take_turns() -> None:
    files = [pdf_file(*(f"File {number} page {page}" for page in range(5))) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        documents = list(pool.map(parse_pdf, files))
    assert all(document.text.startswith(f"File {n} page 0\n") for n, document in enumerate(documents))


def test_hyphens_at_line_ends() -> None:
    # Two lines of one text object; pdfium joins them and marks the hyphen.
    broken = "(an exam-) Tj 0 -14 Td (ple of privacy-) Tj 0 -14 Td (preserving privacy in preserving work"
    page = broken.replace("(an", "an", 1)
    assert parse_pdf(pdf_file(page)).text == "an example of privacy-preserving privacy in preserving work"
