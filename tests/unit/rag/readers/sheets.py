"""Scanned pages of which it is known what stands where: drawn, and as Amazon Textract describes them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from PIL import Image, ImageDraw, ImageFont

SIZE = (1700, 2200)  # letter paper at 200 dots per inch
_HEIGHT = 36
_LEADING = 60
_CELL = (300, 80)

Box = tuple[float, float, float, float]
Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Text:
    """Lines below each other; `kind` is that of a block of Textract's layout."""

    left: int
    top: int
    lines: Sequence[str]
    kind: str = "LAYOUT_TEXT"


@dataclass(frozen=True, slots=True)
class Table:
    """Cells with rules; `merged` are row, column, row, column of the first and the last, from 1."""

    left: int
    top: int
    rows: Sequence[Sequence[str]]
    header_rows: int = 1
    merged: Sequence[tuple[int, int, int, int]] = ()


@dataclass(slots=True)
class Sheet:
    """A page, its parts in reading order."""

    parts: Sequence[Text | Table]
    has_layout: bool = True
    _ids: Iterator[int] = field(default_factory=count)

    def draw(self) -> Image.Image:
        image = Image.new("L", SIZE, 255)
        draw = ImageDraw.Draw(image)
        for left, top, words in self._lines():
            draw.text((left, top), words, fill=0, font=_font(), anchor="lt")
        for part in self.parts:
            if isinstance(part, Table):
                for row, column in _places(part):
                    left, top = part.left + _CELL[0] * (column - 1), part.top + _CELL[1] * (row - 1)
                    draw.rectangle((left, top, left + _CELL[0], top + _CELL[1]), outline=0, width=3)
        return image

    def _lines(self) -> Iterator[tuple[int, int, str]]:
        for part in self.parts:
            if isinstance(part, Text):
                yield from ((part.left, part.top + _LEADING * n, line) for n, line in enumerate(part.lines))
            else:
                yield from ((*_corner(part, at), _cell(part, at)) for at in _places(part) if _cell(part, at))

    def blocks(self) -> list[Block]:
        """In Textract's order: lines from top to bottom whatever the columns, then words, tables, layout."""
        lines: list[Block] = []
        words: list[Block] = []
        others: list[Block] = []
        layout: list[Block] = []
        for part in self.parts:
            if isinstance(part, Text):
                own = [
                    self._line(part.left, part.top + _LEADING * n, t, words) for n, t in enumerate(part.lines)
                ]
                layout += self._layout(part.kind, own)
            else:
                own = self._table(part, words, others)
                layout += self._layout("LAYOUT_TABLE", own)
            lines += own
        lines.sort(key=lambda line: line["Geometry"]["BoundingBox"]["Top"])
        blocks = lines + words + others + (layout if self.has_layout else [])
        top = [
            b for b in blocks if b["BlockType"] in {"LINE", "TABLE"} or b["BlockType"].startswith("LAYOUT")
        ]
        return [self._block("PAGE", (0, 0, *SIZE), top), *blocks]

    def _layout(self, kind: str, lines: Sequence[Block]) -> list[Block]:
        if kind != "LAYOUT_LIST":
            return [self._block(kind, _around(lines), lines)]
        items = [self._block("LAYOUT_TEXT", _around([line]), [line]) for line in lines]
        return [self._block(kind, _around(lines), items), *items]

    def _table(self, table: Table, words: list[Block], others: list[Block]) -> list[Block]:
        lines, cells = [], {}
        for at in _places(table):
            own: list[Block] = []
            if _cell(table, at):
                lines.append(self._line(*_corner(table, at), _cell(table, at), own))
            left, top = _corner(table, at)
            kinds = ["COLUMN_HEADER"] if at[0] <= table.header_rows else None
            cell = self._block("CELL", (left, top, left + _CELL[0], top + _CELL[1]), own)
            cells[at] = cell | {"RowIndex": at[0], "ColumnIndex": at[1], "RowSpan": 1, "ColumnSpan": 1}
            cells[at] |= {"EntityTypes": kinds} if kinds else {}
            words += own
        merged = []
        for top, left, bottom, right in table.merged:
            inside = [cells[r, c] for r in range(top, bottom + 1) for c in range(left, right + 1)]
            merged.append(self._block("MERGED_CELL", _around(inside), inside))
            merged[-1] |= {"RowIndex": top, "ColumnIndex": left}
            merged[-1] |= {"RowSpan": bottom - top + 1, "ColumnSpan": right - left + 1}
        whole = self._block("TABLE", _around(list(cells.values())), list(cells.values()))
        if merged:
            whole["Relationships"].append({"Type": "MERGED_CELL", "Ids": [cell["Id"] for cell in merged]})
        others += [whole, *cells.values(), *merged]
        return lines

    def _line(self, left: int, top: int, text: str, words: list[Block]) -> Block:
        own = []
        for word in text.split():
            box = _font().getbbox(word, anchor="lt")
            placed = self._block("WORD", (left, top, left + box[2], top + _HEIGHT))
            own.append(placed | {"Text": word, "TextType": "PRINTED"})
            left += int(box[2]) + 10
        words += own
        return self._block("LINE", _around(own), own) | {"Text": text}

    def _block(self, kind: str, box: Box, children: Sequence[Block] = ()) -> Block:
        left, top, right, bottom = box[0] / SIZE[0], box[1] / SIZE[1], box[2] / SIZE[0], box[3] / SIZE[1]
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        block = {
            "BlockType": kind,
            "Id": f"00000000-0000-4000-8000-{next(self._ids):012d}",
            "Confidence": 99.5,
            "Geometry": {
                "BoundingBox": {"Left": left, "Top": top, "Width": right - left, "Height": bottom - top},
                "Polygon": [{"X": x, "Y": y} for x, y in corners],
            },
        }
        if children:
            block["Relationships"] = [{"Type": "CHILD", "Ids": [child["Id"] for child in children]}]
        return block


def _places(table: Table) -> Iterator[tuple[int, int]]:
    return ((row + 1, column + 1) for row, cells in enumerate(table.rows) for column in range(len(cells)))


def _cell(table: Table, at: tuple[int, int]) -> str:
    return table.rows[at[0] - 1][at[1] - 1]


def _corner(table: Table, at: tuple[int, int]) -> tuple[int, int]:
    return table.left + _CELL[0] * (at[1] - 1) + 20, table.top + _CELL[1] * (at[0] - 1) + 20


def _around(blocks: Sequence[Block]) -> Box:
    boxes = [block["Geometry"]["BoundingBox"] for block in blocks]
    right = max(box["Left"] + box["Width"] for box in boxes) * SIZE[0]
    bottom = max(box["Top"] + box["Height"] for box in boxes) * SIZE[1]
    return min(b["Left"] for b in boxes) * SIZE[0], min(b["Top"] for b in boxes) * SIZE[1], right, bottom


def _font() -> Any:
    return ImageFont.load_default(_HEIGHT)
