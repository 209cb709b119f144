import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from rag.parse.scan import clean, fitted, is_blank


def page(size: tuple[int, int] = (400, 300), paper: int = 255) -> Image.Image:
    return Image.new("L", size, paper)


def pixels(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image)


@settings(deadline=None)
@given(st.integers(20, 280), st.integers(10, 120), st.integers(200, 390), st.integers(1, 10))
def test_a_rule_is_taken_out_and_told(y: int, start: int, end: int, thickness: int) -> None:
    image = page()
    y = min(y, 299 - thickness)
    ImageDraw.Draw(image).rectangle((start, y, end, y + thickness - 1), fill=0)
    scan = clean(image)
    assert pixels(scan.image).min() == 255
    (rule,) = scan.horizontal
    assert (rule.at, rule.start, rule.end) == (-(y + (thickness - 1) / 2), start, end + 1)
    assert scan.vertical == ()


def test_a_vertical_rule_runs_from_bottom_to_top() -> None:
    image = page()
    ImageDraw.Draw(image).rectangle((50, 20, 52, 219), fill=0)
    (rule,) = clean(image).vertical
    assert (rule.at, rule.start, rule.end) == (51, -220, -20)


def test_short_and_thick_strokes_stay() -> None:
    image = page()
    draw = ImageDraw.Draw(image)
    draw.rectangle((20, 20, 60, 22), fill=0)  # 41 pixels: a dash
    draw.rectangle((20, 100, 220, 130), fill=0)  # 31 pixels thick: large type
    scan = clean(image)
    assert (pixels(scan.image) == pixels(image)).all()
    assert (scan.horizontal, scan.vertical) == ((), ())


def test_shaded_paper_becomes_white() -> None:
    image = page(paper=150)
    image.paste(250, (0, 0, 200, 300))
    ImageDraw.Draw(image).rectangle((300, 100, 310, 110), fill=20)
    cleaned = pixels(clean(image).image)
    assert cleaned[150, 20] == 255
    assert cleaned[150, 350] == 255
    assert cleaned[105, 305] < 60


def test_an_empty_page_is_blank() -> None:
    assert is_blank(page(paper=230))
    image = page(paper=230)
    image.putpixel((5, 5), 20)
    assert not is_blank(image)


def test_only_what_is_too_large_is_made_smaller() -> None:
    assert fitted(page()).size == (400, 300)
    assert fitted(page((40_000, 100))).size == (30_000, 75)
