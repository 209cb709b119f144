import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from rag.errors import InvalidInputError, UnreadableFileError, UnsupportedTypeError
from rag.parse.image import parse_image
from rag.parse.types import FileType
from tests.unit.rag.parse.pictures import (
    encoded,
    needs_tesseract,
    picture,
    ruled_picture,
    stand_in,
    without_tesseract,
)


@needs_tesseract
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("PNG", FileType.PNG),
        ("JPEG", FileType.JPEG),
        ("TIFF", FileType.TIFF),
        ("WEBP", FileType.WEBP),
        ("GIF", FileType.GIF),
        ("BMP", FileType.BMP),
    ],
)
def test_each_kind_of_picture_is_read(kind: str, expected: FileType) -> None:
    document = parse_image(encoded(picture("Minutes of the meeting", "held on Tuesday."), kind))
    assert document.text.split() == ["Minutes", "of", "the", "meeting", "held", "on", "Tuesday."]
    assert document.mime_type == expected
    assert [(page.number, page.start, page.end) for page in document.pages] == [(1, 0, len(document.text))]


@needs_tesseract
def test_the_pages_of_a_fax_are_pages() -> None:
    pages = [picture(f"Page number {words}").convert("1") for words in ("one", "two", "three")]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:], compression="group4")
    document = parse_image(data)
    assert document.text == "Page number one\n\fPage number two\n\fPage number three"
    assert [page.number for page in document.pages] == [1, 2, 3]


@needs_tesseract
def test_black_on_transparent_is_read() -> None:
    words = picture("Minutes of the meeting")
    image = Image.new("RGBA", words.size, (0, 0, 0, 0))
    image.putalpha(words.point(lambda value: 255 - value))
    assert parse_image(encoded(image, "PNG")).text == "Minutes of the meeting"


@needs_tesseract
def test_a_picture_of_a_table_is_a_table() -> None:
    rows = [["Name", "Unit", "Price"], ["Nails", "box", "310"], ["Screws", "bag", "725"]]
    document = parse_image(encoded(ruled_picture(rows), "PNG"))
    assert "| Nails | box | 310 |" in document.text
    assert len(document.tables) == 1


def test_sixteen_bits_a_pixel_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, "Words")
    deep = picture("Words").convert("I").point(lambda value: value * 200)
    assert parse_image(encoded(deep.convert("I;16"), "TIFF")).text == "Words"


def test_a_photograph_is_turned_as_its_camera_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: the camera lay on its side (TIFF 6.0)
    data = encoded(picture("x", size=(2000, 1600)), "JPEG", exif=exif)
    assert parse_image(data).text == "1600x2000 is its size"


def test_an_animation_says_the_same_thing_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, "Same")
    frames = [picture("one", size=(300, 200)), picture("two", size=(300, 200))]
    document = parse_image(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert document.text == "Same\n\f"


def test_frames_have_a_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, "Same")
    monkeypatch.setattr("rag.parse.image.MAX_FRAMES", 2)
    frames = [picture(str(n), size=(300, 200)) for n in range(3)]
    document = parse_image(encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]))
    assert len(document.pages) == 2
    assert document.warnings == ("only the first 2 of 3 pages were read",)


@pytest.mark.parametrize("side", [9_200, 9_500, 40_000])
def test_a_picture_that_inflates_is_refused(
    side: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, tmp_path)
    with pytest.raises(InvalidInputError, match="too large"):
        parse_image(_empty_png(side, side))


def test_a_picture_without_text_is_unreadable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path, "Words")
    with pytest.raises(UnreadableFileError, match="no text was found"):
        parse_image(encoded(Image.new("L", (300, 300), 255), "PNG"))


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(20)])
def test_what_is_no_picture_is_unreadable(
    data: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, tmp_path)
    with pytest.raises(UnreadableFileError, match="broken"):
        parse_image(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP"])
def test_half_a_picture_is_unreadable(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, tmp_path)
    data = encoded(picture("Words", "of which", "half is missing"), kind)
    with pytest.raises(UnreadableFileError, match="broken"):
        parse_image(data[: len(data) // 2])


def test_without_the_program_the_message_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_tesseract(monkeypatch, tmp_path)
    with pytest.raises(UnsupportedTypeError, match="apt install tesseract-ocr"):
        parse_image(encoded(picture("Words"), "PNG"))


def _empty_png(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
