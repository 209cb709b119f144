from pathlib import Path

import pytest
from PIL import Image

from rag.errors import UnreadableFileError, UnsupportedTypeError
from rag.parse.ocr import ocr_image
from rag.parse.tesseract import ocr_available
from tests.unit.rag.parse.pictures import needs_tesseract, picture, ruled_picture, stand_in, without_tesseract

LINES = ("The meeting was moved to Tuesday,", "the twelfth of March, at nine.", "Please bring the plans.")


@needs_tesseract
@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_page_is_read_whichever_way_round(turn: int) -> None:
    turned = picture(*LINES).rotate(turn, expand=True)
    assert ocr_image(turned).split() == " ".join(LINES).split()


@needs_tesseract
def test_rules_do_not_hide_the_words_of_a_table() -> None:
    rows = [["Name", "Unit", "Price"], ["Nails", "box", "310"], ["Screws", "bag", "725"]]
    assert sorted(ocr_image(ruled_picture(rows)).split()) == sorted(word for row in rows for word in row)


@needs_tesseract
def test_dark_words_on_coloured_paper_are_read() -> None:
    page = picture(*LINES)
    shaded = page.point(lambda value: 30 if value < 128 else 150)
    assert ocr_image(shaded).split() == " ".join(LINES).split()


@needs_tesseract
def test_small_pictures_from_a_screen_are_read() -> None:
    assert ocr_image(picture(*LINES, size=(600, 220), height=12)).split() == " ".join(LINES).split()


@needs_tesseract
@pytest.mark.parametrize("size", [(1, 1), (3, 900), (40, 40)])
def test_tiny_pictures_hold_no_text(size: tuple[int, int]) -> None:
    image = Image.new("L", size, 255)
    image.putpixel((0, 0), 0)
    assert ocr_image(image) == ""


def test_an_empty_page_is_not_given_to_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, "Something")
    assert ocr_image(Image.new("L", (2000, 1000), 240)) == ""
    assert ocr_image(picture("x")) == "Something"


def test_without_the_program_the_message_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_tesseract(monkeypatch, tmp_path)
    assert not ocr_available()
    with pytest.raises(UnsupportedTypeError, match="apt install tesseract-ocr"):
        ocr_image(picture("Words"))


def test_words_that_were_split_at_a_line_end_are_put_together(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, tmp_path, "An exam-", "ple of 1-", "2 and the rest-")
    assert ocr_image(picture("x")) == "An example of 1-\n2 and the rest-"


def test_lines_that_are_hardly_recognised_are_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, tmp_path, "ee eS oe", confidence=20)
    assert ocr_image(picture("x")) == ""


def test_a_failing_program_makes_the_picture_unreadable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, tmp_path, "Words", code=1)
    with pytest.raises(UnreadableFileError, match="could not be read"):
        ocr_image(picture("x"))


@pytest.mark.parametrize(
    ("languages", "message"),
    [
        ("eng+tlh", "no language data for tlh here .*apt install tesseract-ocr-tlh"),
        ("chi_sim+deu", "for chi_sim, deu here .*apt install tesseract-ocr-chi-sim tesseract-ocr-deu"),
        ("osd", "no language data for osd"),
        ("--psm", "no language data"),
    ],
)
def test_the_package_of_a_language_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, languages: str, message: str
) -> None:
    stand_in(monkeypatch, tmp_path, "Words")
    with pytest.raises(UnsupportedTypeError, match=message):
        ocr_image(picture("x"), languages=languages)


def test_the_program_is_told_the_languages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, "Words", languages=("eng", "deu"), says_languages=True)
    assert ocr_image(picture("x"), languages="eng+deu") == "eng+deu"
    assert ocr_image(picture("x")) == "eng"


def test_a_huge_picture_is_made_smaller(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path)
    image = Image.new("L", (10_000, 9_000), 255)
    image.paste(0, (0, 0, 400, 400))
    assert ocr_image(image) == "6666x6000 is its size"
