"""Pictures of text for OCR, and a stand-in for the program that reads them."""

import io
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from rag.parse.tesseract import ocr_available

needs_tesseract = pytest.mark.skipif(not ocr_available(), reason="Tesseract is not installed")

# Prints a table as Tesseract does: one word, the size of the picture it was given.
_STAND_IN = """#!{python}
import sys
if "--list-langs" in sys.argv:
    names = [*{languages!r}, "osd"]
    print("List of available languages in \\"/usr/share/tessdata/\\" (2):", *names, sep="\\n")
    sys.exit()
kind, width, height = sys.stdin.buffer.read(40).split()[:3]
size = f"{{width.decode()}}x{{height.decode()}}"
print("level\\tpage_num\\tblock_num\\tpar_num\\tline_num\\tword_num\\tleft\\ttop\\twidth\\theight\\tconf\\ttext")
told = [sys.argv[sys.argv.index("-l") + 1]] if {says_languages} else []
for line in told or {lines!r} or [size + " is its size"]:
    print("4\\t1\\t1\\t1\\t1\\t0\\t10\\t10\\t500\\t30\\t-1\\t")
    for number, word in enumerate(line.split()):
        print(f"5\\t1\\t1\\t1\\t1\\t1\\t{{10 + 100 * number}}\\t10\\t90\\t30\\t{confidence}\\t{{word}}")
sys.exit({code})
"""


def picture(*lines: str, size: tuple[int, int] = (1654, 800), height: int = 36) -> Image.Image:
    """Black on white, as a scan at 200 dots per inch has it."""
    image = Image.new("L", size, 255)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(height)
    for number, line in enumerate(lines):
        draw.text((120, 100 + 2 * height * number), line, fill=0, font=font)
    return image


def ruled_picture(rows: Sequence[Sequence[str]]) -> Image.Image:
    """A table with rules around its cells."""
    image = Image.new("L", (1654, 200 + 90 * len(rows)), 255)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(34)
    width = 1400 // len(rows[0])
    for row, cells in enumerate(rows):
        for column, words in enumerate(cells):
            left, top = 120 + width * column, 100 + 90 * row
            draw.rectangle((left, top, left + width, top + 90), outline=0, width=4)
            draw.text((left + 30, top + 25), words, fill=0, font=font)
    return image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def without_tesseract(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """No program can be found."""
    monkeypatch.setenv("PATH", str(folder / "nothing"))


def stand_in(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    *lines: str,
    confidence: int = 95,
    code: int = 0,
    languages: tuple[str, ...] = ("eng",),
    says_languages: bool = False,
) -> None:
    """A program called tesseract that reads these lines in any picture, or tells its size or languages."""
    program = folder / "bin" / "tesseract"
    program.parent.mkdir()
    script = _STAND_IN.format(
        python=sys.executable,
        lines=list(lines),
        confidence=confidence,
        code=code,
        languages=languages,
        says_languages=says_languages,
    )
    program.write_text(script, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
