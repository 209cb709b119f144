"""A page as Amazon Textract describes it, written into a document.

Textract answers with a list of blocks that name their children. Lines of text hold words, tables hold cells
that hold the same words, and the blocks of its layout hold lines in reading order.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rag.parse.builder import DocumentBuilder
from rag.parse.grid import Area, write_table

_LEVELS = {"LAYOUT_TITLE": 1, "LAYOUT_SECTION_HEADER": 2}
_MAX_HEADER_ROWS = 4  # further down it is a mistake
_TICKS = {"SELECTED": "[x]", "NOT_SELECTED": "[ ]"}

Block = Mapping[str, Any]


def write_blocks(builder: DocumentBuilder, blocks: Sequence[Block]) -> None:
    """Append a page's text in reading order, its headings and its tables.

    Raises:
        KeyError: The blocks don't fit together.
    """
    _Page(builder, blocks).write()


class _Page:
    def __init__(self, builder: DocumentBuilder, blocks: Sequence[Block]) -> None:
        self._builder = builder
        self._blocks = {block["Id"]: block for block in blocks}
        self._table_of = {
            word["Id"]: block["Id"]
            for block in blocks
            if block["BlockType"] == "TABLE"
            for cell in self._children(block)
            for word in self._children(cell)
        }
        self._written: set[str] = set()  # lines and tables

    def write(self) -> None:
        blocks = list(self._blocks.values())
        for block in blocks:
            if block["BlockType"].startswith("LAYOUT_"):
                self._write_layout(block)
        # All of it where there is no layout; a table of check boxes has no line.
        self._write_lines([block for block in blocks if block["BlockType"] == "LINE"])
        for block in blocks:
            if block["BlockType"] == "TABLE":
                self._write_table(block)

    def _write_layout(self, block: Block) -> None:
        """A list's children are layout blocks themselves."""
        children = list(self._children(block))
        for child in children:
            if child["BlockType"].startswith("LAYOUT_"):
                self._write_layout(child)
        lines = [child for child in children if child["BlockType"] == "LINE"]
        self._write_lines(lines, level=_LEVELS.get(block["BlockType"], 0))

    def _write_lines(self, lines: Sequence[Block], *, level: int = 0) -> None:
        """Lines that are not written yet as a paragraph or heading; tables where their first line stands."""
        texts: list[str] = []
        for line in lines:
            if line["Id"] in self._written:
                continue
            self._written.add(line["Id"])
            table = self._table_with(line)
            if table is None:
                texts.append(line["Text"])
                continue
            self._write_text(texts, level)
            texts = []
            self._write_table(table)
        self._write_text(texts, level)

    def _write_text(self, lines: Sequence[str], level: int) -> None:
        if level:
            self._builder.heading(" ".join(lines), level)
        else:
            self._builder.paragraph("\n".join(lines))

    def _table_with(self, line: Block) -> Block | None:
        tables = (self._table_of.get(word["Id"]) for word in self._children(line))
        return next((self._blocks[table] for table in tables if table is not None), None)

    def _write_table(self, table: Block) -> None:
        if table["Id"] in self._written:
            return
        self._written.add(table["Id"])
        cells = {_place(cell): cell for cell in self._children(table)}
        texts = {place: self._text(cell) for place, cell in cells.items()}
        merged = [self._merged(cell, texts) for cell in self._children(table, "MERGED_CELL")]
        height, width = (max((place[axis] for place in cells), default=0) for axis in (0, 1))
        rows = [
            [texts.get((row, column), "") for column in range(1, width + 1)] for row in range(1, height + 1)
        ]
        write_table(self._builder, rows, merged=merged, header_rows=_header_rows(cells.values()))

    def _merged(self, merged: Block, texts: dict[tuple[int, int], str]) -> Area:
        """Where merged cells are; their texts are put together in the first."""
        places = sorted(_place(cell) for cell in self._children(merged))
        texts[places[0]] = " ".join(texts[place] for place in places if texts[place])
        texts |= dict.fromkeys(places[1:], "")
        (top, left), (bottom, right) = places[0], places[-1]
        return Area(top - 1, left - 1, bottom, right)

    def _text(self, cell: Block) -> str:
        return " ".join(
            child["Text"]
            if child["BlockType"] == "WORD"
            else _TICKS.get(child.get("SelectionStatus", ""), "")
            for child in self._children(cell)
        )

    def _children(self, block: Block, kind: str = "CHILD") -> Iterator[Block]:
        for relationship in block.get("Relationships") or ():
            if relationship["Type"] == kind:
                yield from (self._blocks[name] for name in relationship["Ids"])


def _place(cell: Block) -> tuple[int, int]:
    """Row and column, counted from 1."""
    return cell["RowIndex"], cell["ColumnIndex"]


def _header_rows(cells: Iterable[Block]) -> int:
    """The rows down to the last at the top that holds column headers."""
    rows = {cell["RowIndex"] for cell in cells if "COLUMN_HEADER" in (cell.get("EntityTypes") or ())}
    return max((row for row in rows if row <= _MAX_HEADER_ROWS), default=0)
