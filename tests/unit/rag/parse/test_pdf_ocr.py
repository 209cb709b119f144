"""PDF pages that are pictures."""

from pathlib import Path

import pytest

from rag.errors import UnreadableFileError
from rag.parse.pdf import parse_pdf
from tests.unit.rag.parse.drawn_pdf import DrawnPage, drawn_pdf, rule, text
from tests.unit.rag.parse.pdf_files import assembled
from tests.unit.rag.parse.pictures import (
    needs_tesseract,
    picture,
    ruled_picture,
    stand_in,
    without_tesseract,
)

PAGE = (1700, 2200)  # 612 by 792 points at 200 dots per inch


@needs_tesseract
def test_a_scan_is_read() -> None:
    scan = DrawnPage(image=picture("Minutes of the meeting", "held on Tuesday.", size=PAGE))
    document = parse_pdf(drawn_pdf(text(72, 700, "Cover"), scan, ""))
    assert [document.text[page.start : page.end].split() for page in document.pages] == [
        ["Cover"],
        ["Minutes", "of", "the", "meeting", "held", "on", "Tuesday."],
        [],
    ]
    assert document.warnings == ("page 2 was read by OCR", "no text on page 3")


@needs_tesseract
def test_a_scan_on_a_turned_page_is_read() -> None:
    upright = picture("Minutes of the meeting", "held on Tuesday.", size=PAGE)
    data = drawn_pdf(DrawnPage(image=upright, rotate=90))
    assert parse_pdf(data).text.split() == ["Minutes", "of", "the", "meeting", "held", "on", "Tuesday."]


@needs_tesseract
def test_a_table_of_a_scan_is_a_table() -> None:
    rows = [["Name", "Unit", "Price"], ["Nails", "box", "310"], ["Screws", "bag", "725"]]
    scan = picture(size=PAGE)
    scan.paste(ruled_picture(rows), (0, 300))
    document = parse_pdf(drawn_pdf(DrawnPage(image=scan)))
    assert document.text == (
        "| Name | Unit | Price |\n| --- | --- | --- |\n| Nails | box | 310 |\n| Screws | bag | 725 |"
    )
    assert len(document.tables) == 1


def test_a_page_of_curves_is_read_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, "Drawn as curves")
    curves = "0 g 100 600 m 150 700 200 700 250 600 c f\n"
    assert parse_pdf(drawn_pdf(curves)).text == "Drawn as curves"


def _with_a_bare_font(words: str) -> bytes:
    """A page in a font whose map says that lower-case letters are the characters 1, 3, 4 and so on."""
    mapping = "\n".join(f"<{ord('a') + n:02X}> <{n + (1 if n == 0 else 2):04X}>" for n in range(26))
    codes = "1 begincodespacerange <00> <FF> endcodespacerange"
    to_unicode = f"begincmap {codes} 26 beginbfchar {mapping} endbfchar"
    content = f"BT /F1 12 Tf 72 700 Td ({words}) Tj ET"
    resources = "/Resources << /Font << /F1 3 0 R >> >> /Contents 5 0 R"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 6 0 R >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] {resources} >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        f"<< /Length {len(to_unicode)} >>\nstream\n{to_unicode}\nendstream",
    ]
    return assembled([part.encode() for part in objects], "")


def test_a_page_whose_font_tells_no_characters_is_read_as_a_picture(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, tmp_path, "by the look of it")
    document = parse_pdf(_with_a_bare_font("a plain sentence 12"))
    assert document.text == "by the look of it"
    assert document.warnings == ("page 1 was read by OCR",)


@pytest.mark.parametrize("others", ["a", "almost half", "a" * 40], ids=["one", "fewer", "a row of dots"])
def test_a_page_whose_text_is_more_than_glyphs_without_a_character_keeps_it(
    others: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, tmp_path, "by the look of it")
    assert parse_pdf(_with_a_bare_font(f"A PLAIN SENTENCE {others}")).text.strip() == "A PLAIN SENTENCE"


def test_without_ocr_numbers_of_glyphs_are_no_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_tesseract(monkeypatch, tmp_path)
    with pytest.raises(UnreadableFileError, match="OCR"):
        parse_pdf(_with_a_bare_font("a plain sentence 12"))


def test_a_page_with_text_is_not_read_by_ocr(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, "By OCR")
    page = DrawnPage(text(72, 700, "By hand"), image=picture("x", size=PAGE))
    assert parse_pdf(drawn_pdf(page)).text == "By hand"


def test_an_empty_page_with_a_rule_has_no_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, "", confidence=0)
    document = parse_pdf(drawn_pdf(text(72, 700, "One"), rule(72, 700, 500, 700)))
    assert document.warnings == ("no text on page 2",)


def test_ocr_can_be_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, "By OCR")
    with pytest.raises(UnreadableFileError, match="scanned pages need OCR"):
        parse_pdf(drawn_pdf(DrawnPage(image=picture("x", size=PAGE))), ocr=False)


def test_without_the_program_the_pages_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_tesseract(monkeypatch, tmp_path)
    scan = DrawnPage(image=picture("Minutes", size=PAGE))
    (warning,) = parse_pdf(drawn_pdf(text(72, 700, "Cover"), scan)).warnings
    assert warning.startswith("no text on page 2, only pictures: ")
    assert "apt install tesseract-ocr" in warning
    with pytest.raises(UnreadableFileError, match=r"holds no text.*apt install tesseract-ocr"):
        parse_pdf(drawn_pdf(scan))


def test_only_so_many_pages_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, "Read")
    monkeypatch.setattr("rag.parse.pdf.MAX_OCR_PAGES", 2)
    scan = DrawnPage(image=picture("x", size=(400, 500)))
    document = parse_pdf(drawn_pdf(scan, scan, scan, scan))
    assert document.text == "Read\n\fRead\n\f\n\f"
    assert document.warnings == (
        "pages 1, 2 were read by OCR",
        "no text on pages 3, 4, only pictures: at most 2 pages of a file are read by OCR",
    )


def test_a_page_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, code=1)
    document = parse_pdf(drawn_pdf(text(72, 700, "Cover"), DrawnPage(image=picture("x", size=PAGE))))
    assert document.text == "Cover\n\f"
    assert document.warnings == ("no text on page 2",)


def test_a_poster_is_drawn_in_fewer_dots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path)
    data = drawn_pdf(DrawnPage(image=picture("x"), size=(9000, 9000)))
    width, height = parse_pdf(data).text.split()[0].split("x")
    assert int(width) * int(height) <= 40_000_000
    assert int(width) == int(height) > 6_000
