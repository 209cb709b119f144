"""What a PDF page draws besides text: rules (straight lines along an axis), and whether there are images.

Coordinates are points, x to the right and y upwards as the page is shown. Callers hold pdfium's lock.
"""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pypdfium2.raw

from rag.parse.page.layout import Box, Drawing, Rule, joined

_raw: Any = pypdfium2.raw  # an untyped package
_MAX_OBJECTS = 100_000  # of a page, those in forms included: a map may hold millions
_MAX_SEGMENTS = 5_000  # of one path: a longer one is a drawing
_MAX_RULES = 4_000  # of a page: 60 rows of 60 boxed cells; more is a drawing
_MAX_DEPTH = 8  # forms in forms
_THICK = 3.0  # points: a thin filled rectangle is drawn for a rule
_RECTANGLE = 5  # segments
_SHORT = 4.0  # points: shorter marks are no rules

Point = tuple[float, float]


def read_drawing(page: Any) -> Drawing:
    """The drawing of an open page; one with too many rules is taken to have none."""
    reader = _Reader(page.get_rotation())
    count = _raw.FPDFPage_CountObjects(page)
    reader.read((_raw.FPDFPage_GetObject(page, index) for index in range(count)), _IDENTITY, 0)
    return reader.drawing()


def turned(x0: float, y0: float, x1: float, y1: float, turn: int) -> Box:
    """The box with these opposite corners on a page that is shown turned clockwise by `turn` degrees."""
    if turn == 90:  # noqa: PLR2004
        x0, y0, x1, y1 = y0, -x0, y1, -x1
    elif turn == 180:  # noqa: PLR2004
        x0, y0, x1, y1 = -x0, -y0, -x1, -y1
    elif turn == 270:  # noqa: PLR2004
        x0, y0, x1, y1 = -y0, x0, -y1, x1
    return Box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


class _Reader:
    def __init__(self, turn: int) -> None:
        self._turn = turn
        self._left = _MAX_OBJECTS
        self._horizontal: list[Rule] = []
        self._vertical: list[Rule] = []
        self._images: list[Box] = []
        self._fill, self._stroke = ctypes.c_int(), ctypes.c_int()
        self._sides = tuple(ctypes.c_float() for _ in range(4))
        self._has_path = False

    def drawing(self) -> Drawing:
        too_many = len(self._horizontal) + len(self._vertical) > _MAX_RULES
        return Drawing(
            horizontal=() if too_many else tuple(joined(self._horizontal)),
            vertical=() if too_many else tuple(joined(self._vertical)),
            images=tuple(self._images),
            has_path=self._has_path,
        )

    def read(self, objects: Iterator[Any], place: "_Matrix", depth: int) -> None:
        for drawn in objects:
            self._left -= 1
            if self._left < 0:
                return
            kind = _raw.FPDFPageObj_GetType(drawn)
            if kind == _raw.FPDF_PAGEOBJ_TEXT:
                continue
            if kind == _raw.FPDF_PAGEOBJ_PATH:
                self._has_path = True
                self._read_path(drawn, place)
            elif kind == _raw.FPDF_PAGEOBJ_FORM and depth < _MAX_DEPTH:
                count = _raw.FPDFFormObj_CountObjects(drawn)
                inner = (_raw.FPDFFormObj_GetObject(drawn, index) for index in range(count))
                self.read(inner, _matrix_of(drawn).then(place), depth + 1)
            elif kind == _raw.FPDF_PAGEOBJ_IMAGE:
                self._images.append(self._placed(*self._sides_of(drawn), place))
            else:
                self._has_path = True  # a shading, or what later versions may add

    def _read_path(self, path: Any, place: "_Matrix") -> None:
        _raw.FPDFPath_GetDrawMode(path, self._fill, self._stroke)
        stroked = bool(self._stroke.value)
        segments = _raw.FPDFPath_CountSegments(path)
        if not (self._fill.value or stroked) or segments > _MAX_SEGMENTS:
            return
        left, bottom, right, top = self._sides_of(path)
        if min(right - left, top - bottom) <= _THICK:  # forms that enlarge what they hold are rare
            self._add(self._placed(left, bottom, right, top, place))
        elif stroked or segments > _RECTANGLE:  # one that is only filled is a background
            for outline in _outlines(path, segments, _matrix_of(path).then(place)):
                self._add_outline(outline, stroked=stroked)

    def _sides_of(self, drawn: Any) -> tuple[float, float, float, float]:
        left, bottom, right, top = self._sides
        _raw.FPDFPageObj_GetBounds(drawn, left, bottom, right, top)
        return left.value, bottom.value, right.value, top.value

    def _placed(self, left: float, bottom: float, right: float, top: float, place: "_Matrix") -> Box:
        return turned(*place.point(left, bottom), *place.point(right, top), self._turn)

    def _add_outline(self, points: list[Point], *, stroked: bool) -> None:
        xs, ys = [x for x, _ in points], [y for _, y in points]
        box = turned(min(xs), min(ys), max(xs), max(ys), self._turn)
        if min(box.width, box.height) <= _THICK:
            self._add(box)
        elif stroked:
            for start, end in pairwise(points):
                self._add(turned(*start, *end, self._turn))

    def _add(self, box: Box) -> None:
        width, height = box.width, box.height
        if width >= _SHORT and height <= min(_THICK, width / 4):
            self._horizontal.append(Rule(box.middle, box.left, box.right))
        elif height >= _SHORT and width <= min(_THICK, height / 4):
            self._vertical.append(Rule(box.centre, box.bottom, box.top))


@dataclass(frozen=True, slots=True)
class _Matrix:
    """A transformation of the plane (ISO 32000-1, 8.3.3)."""

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    def then(self, outer: "_Matrix") -> "_Matrix":
        return _Matrix(
            self.a * outer.a + self.b * outer.c,
            self.a * outer.b + self.b * outer.d,
            self.c * outer.a + self.d * outer.c,
            self.c * outer.b + self.d * outer.d,
            self.e * outer.a + self.f * outer.c + outer.e,
            self.e * outer.b + self.f * outer.d + outer.f,
        )

    def point(self, x: float, y: float) -> Point:
        return self.a * x + self.c * y + self.e, self.b * x + self.d * y + self.f


_IDENTITY = _Matrix(1, 0, 0, 1, 0, 0)


def _matrix_of(drawn: Any) -> _Matrix:
    matrix = _raw.FS_MATRIX()
    _raw.FPDFPageObj_GetMatrix(drawn, matrix)
    return _Matrix(matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f)


def _outlines(path: Any, segments: int, place: _Matrix) -> Iterator[list[Point]]:
    """The corners of each part of a path, on the page; curves are cut short to their ends."""
    x, y = ctypes.c_float(), ctypes.c_float()
    points: list[Point] = []
    for index in range(segments):
        segment = _raw.FPDFPath_GetPathSegment(path, index)
        if _raw.FPDFPathSegment_GetType(segment) == _raw.FPDF_SEGMENT_MOVETO and points:
            yield points
            points = []
        _raw.FPDFPathSegment_GetPoint(segment, x, y)
        points.append(place.point(x.value, y.value))
        if _raw.FPDFPathSegment_GetClose(segment):
            points.append(points[0])
    if points:
        yield points
