"""Makes the picture of a page easier to read for OCR: even paper, no rules, not too large.

Measured with Tesseract 5.3 on rendered pages: coloured table headers are lost without the first step, and
half the cells of ruled tables without the second.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rag.parse.page.layout import Rule

MAX_PIXELS = 40_000_000  # A2 at 200 dots per inch; a picture takes one byte a pixel, its cleaning some more
MAX_SIDE = 30_000  # Tesseract refuses sides over 32,767
_BLOCK = 16  # pixels: paper is the brightest spot within two millimetres
_DARKEST_PAPER = 60  # of 255: what is darker is a picture or a dark heading, not shaded paper
_INK = 128  # of 255, once the paper is white
_RULE_SHARE = 0.04  # of the longer side: shorter strokes may be letters
_MIN_RULE = 60  # pixels
_MAX_THICKNESS = 12  # pixels, 1.5 mm at 200 dots per inch: thicker strokes are large type
_MAX_RUNS = 50_000  # of a page each way; more is a picture
_BLANK = 40  # of 255, between the darkest and the brightest pixel of an empty page

Gray = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CleanScan:
    """A grey picture without its rules, and the rules in pixels, y upwards from 0 at the top edge."""

    image: Image.Image
    horizontal: tuple[Rule, ...]
    vertical: tuple[Rule, ...]


def fitted(image: Image.Image) -> Image.Image:
    """The picture in grey on white paper, made smaller where it is too large for OCR."""
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        rgba = image.convert("RGBA")
        paper = Image.new("RGBA", rgba.size, "white")
        image = Image.alpha_composite(paper, rgba)
    if image.mode.startswith(("I", "F")):
        image = _from_wide(image)
    scale = min(1, (MAX_PIXELS / (image.width * image.height)) ** 0.5, MAX_SIDE / max(image.size))
    grey = image.convert("L")
    if scale < 1:
        size = max(1, int(image.width * scale)), max(1, int(image.height * scale))
        grey = grey.resize(size, Image.Resampling.BOX)
    return grey


def _from_wide(image: Image.Image) -> Image.Image:
    """A picture of 16 or more bits a pixel, its own darkest and brightest spot as black and white."""
    values = np.asarray(image, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    return Image.fromarray(((values - low) * (255 / max(high - low, 1))).astype(np.uint8))


def is_blank(image: Image.Image) -> bool:
    darkest, brightest = image.convert("L").getextrema()
    return float(brightest) - float(darkest) < _BLANK  # type: ignore[arg-type]  # one band: two numbers


def clean(image: Image.Image) -> CleanScan:
    """A grey picture on even white paper, its rules taken out."""
    grey = _on_white(np.asarray(image.convert("L")))
    ink = grey < _INK
    length = max(_MIN_RULE, int(_RULE_SHARE * max(ink.shape)))
    across, down = _rules_in(ink, length, 1), _rules_in(ink, length, 0)
    horizontal = tuple(Rule(-y, start, end) for y, start, end in _strokes(across))
    vertical = tuple(Rule(x, -end, -start) for x, start, end in _strokes(down.T))
    grey[across | down] = 255
    return CleanScan(Image.fromarray(grey), horizontal, vertical)


def _on_white(grey: Gray) -> Gray:
    """The picture divided by the brightness of the paper around each pixel."""
    height, width = grey.shape
    rows, columns = -(-height // _BLOCK), -(-width // _BLOCK)
    padded = np.pad(grey, ((0, rows * _BLOCK - height), (0, columns * _BLOCK - width)), mode="edge")
    brightest = padded.reshape(rows, _BLOCK, columns, _BLOCK).max(axis=(1, 3))
    smooth = Image.fromarray(brightest).resize(padded.shape[::-1], Image.Resampling.BILINEAR)
    paper = np.maximum(np.asarray(smooth)[:height, :width], _DARKEST_PAPER).astype(np.uint16)
    even: Gray = np.minimum(grey.astype(np.uint16) * 255 // paper, 255).astype(np.uint8)
    return even


def _rules_in(ink: Mask, length: int, axis: int) -> Mask:
    """Ink that is part of a thin stroke of at least `length` pixels along an axis."""
    long = _runs(ink, length, axis)
    return long & ~_runs(long, _MAX_THICKNESS + 1, 1 - axis)


def _runs(ink: Mask, length: int, axis: int) -> Mask:
    """Ink in runs of at least `length` pixels along an axis: eroded, then widened again."""
    starts = ink  # of runs that are `reached` long
    for step in _doublings(length):
        starts = _without(starts, step, axis, at_end=True) & _without(starts, step, axis, at_end=False)
    found = np.zeros_like(ink)
    if starts.size:
        found[: starts.shape[0], : starts.shape[1]] = starts
        for step in _doublings(length):
            later = _without(found, step, axis, at_end=False)
            later |= _without(found, step, axis, at_end=True)
    return found


def _doublings(length: int) -> Iterator[int]:
    """By how much to shift a picture over itself, step by step, until `length` pixels are covered."""
    covered = 1
    while covered < length:
        step = min(covered, length - covered)
        covered += step
        yield step


def _without(mask: Mask, count: int, axis: int, *, at_end: bool) -> Mask:
    """A view without so many rows (axis 0) or columns (axis 1) at one end."""
    kept = slice(None, max(mask.shape[axis] - count, 0)) if at_end else slice(count, None)
    return mask[kept] if axis == 0 else mask[:, kept]


def _strokes(rules: Mask) -> list[tuple[float, float, float]]:
    """The rules of a mask as `(y, start, end)`: runs in neighbouring rows that overlap are one stroke."""
    edges = np.diff(np.pad(rules, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends: Any = np.nonzero(edges == -1)[1]
    if len(rows) > _MAX_RUNS:
        return []
    open_strokes: list[list[int]] = []  # first row, last row, start, end
    done: list[list[int]] = []
    for row, start, end in zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True):
        done += [stroke for stroke in open_strokes if stroke[1] < row - 1]
        open_strokes = [stroke for stroke in open_strokes if stroke[1] >= row - 1]
        for stroke in open_strokes:
            if start < stroke[3] and stroke[2] < end:
                stroke[1:] = [row, min(start, stroke[2]), max(end, stroke[3])]
                break
        else:
            open_strokes.append([row, row, start, end])
    return [((top + bottom) / 2, start, end) for top, bottom, start, end in done + open_strokes]
