"""Excel workbooks: a page for each sheet, and on it the tables that a person sees.

Cells show what Excel shows, save for dates and thousands (see `number_format`). Lines of text alone above and
below a table are not part of it; its header is told by the file (tables, filters) or by what the cells look
like. Hidden sheets are left out; hidden rows and columns are kept, because filters hide rows too.
"""

from collections.abc import Sequence

from rag.documents import ParsedDocument
from rag.errors import UnreadableFileError
from rag.parse.builder import DocumentBuilder
from rag.parse.grid import Area, is_mostly_blank, write_table
from rag.parse.sheet_blocks import Block, blocks, is_header
from rag.parse.table_header import count_header_rows
from rag.parse.types import FileType
from rag.parse.xlsx_workbook import Sheet, Workbook

_LOOKED_AT = 60  # rows that decide about the header
_MIN_RECORDS = 20  # rows; a shorter table is a statement to be read whole, not a list of records


def parse_xlsx(data: bytes) -> ParsedDocument:
    """A document of an Excel workbook.

    Raises:
        UnreadableFileError: It is damaged, encrypted or too large when unpacked, or shows nothing.
    """
    workbook = Workbook(data)
    builder = DocumentBuilder()
    warnings: list[str] = []
    sheets = workbook.sheets()
    hidden = [sheet.name for sheet in sheets if sheet.is_hidden]
    if hidden:
        warnings.append(f"hidden sheets were left out: {', '.join(hidden[:10])}")
    blank_formulas = 0
    for number, part in enumerate((sheet for sheet in sheets if not sheet.is_hidden), start=1):
        with builder.page(number):
            try:
                sheet = workbook.sheet(part.part)
            except UnreadableFileError:
                warnings.append(f"sheet “{part.name}” is damaged and could not be read")
                continue
            _write_sheet(builder, part.name, sheet)
        blank_formulas += sheet.blank_formulas
        if sheet.is_cut:
            warnings.append(f"sheet “{part.name}” was not read to its end: the workbook is too large")
    if blank_formulas:
        warnings.append(f"formulas without a stored value were left out: {blank_formulas}")
    if not builder.length:
        raise UnreadableFileError("the workbook holds no text")
    return builder.build(FileType.XLSX, title=workbook.package.title(), warnings=warnings)


def _write_sheet(builder: DocumentBuilder, name: str, sheet: Sheet) -> None:
    """Append a sheet under its name; nothing if it is empty."""
    if not sheet.cells and not any(sheet.notes):
        return
    builder.heading(name, 1)
    merged = sorted(sheet.merged, key=lambda area: area.top)
    for block in blocks(sheet.cells, sheet.headers):
        _write_block(builder, block, merged, sheet.headers)
    for note in sheet.notes:
        builder.paragraph(note)


def _write_block(
    builder: DocumentBuilder, block: Block, merged: Sequence[Area], headers: Sequence[Area]
) -> None:
    is_told = is_header(block.cells, block.rows[0], headers)
    start = 0 if is_told else block.titles()
    stop = len(block.rows) - block.remarks()
    if is_told and len(block.columns) == 1:
        stop = len(block.rows)
    _write_lines(builder, block, 0, min(start, len(block.rows)))
    if start < stop:
        _write_table(builder, block, start, stop, merged=merged, is_told=is_told)
        _write_lines(builder, block, stop, len(block.rows))


def _write_lines(builder: DocumentBuilder, block: Block, start: int, stop: int) -> None:
    rows = (block.cells[row].values() for row in block.rows[start:stop])
    builder.paragraph("\n".join(" | ".join(" ".join(text.split()) for text in row) for row in rows))


def _write_table(
    builder: DocumentBuilder, block: Block, start: int, stop: int, *, merged: Sequence[Area], is_told: bool
) -> None:
    filled = sum(len(block.cells[row]) for row in block.rows[start:stop])
    if is_mostly_blank((stop - start) * len(block.columns), filled):
        _write_lines(builder, block, start, stop)
        return
    rows = block.dense(start, stop)
    areas = [area.moved(start) for area in block.areas(merged) if area.top >= start]
    header_rows = 1 if is_told else count_header_rows(rows[:_LOOKED_AT])
    write_table(
        builder,
        rows,
        merged=areas,
        header_rows=header_rows,
        rows_are_records=is_told or _is_list(rows, header_rows, areas),
    )


def _is_list(rows: Sequence[Sequence[str]], header_rows: int, areas: Sequence[Area]) -> bool:
    """Whether each row stands for a thing of its own: all columns are named, and nothing is merged."""
    names = rows[0]
    return (
        header_rows == 1
        and not areas
        and len(rows) > _MIN_RECORDS
        and all(names)
        and len(set(names)) == len(names)
    )
