"""Tables in text files: CSV (RFC 4180) and what goes by that name, with any of the usual delimiters.

The delimiter is the one by which the rows agree best on their number of cells. The file is one table, and
each of its rows a record. Lines above the table that are no rows of it, such as a title, are lines of text.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from rag.documents import ParsedDocument
from rag.errors import UnreadableFileError
from rag.parse.builder import DocumentBuilder
from rag.parse.decode import normalise_lines
from rag.parse.grid import write_table
from rag.parse.table_header import count_header_rows
from rag.parse.types import FileType

MAX_ROWS = 200_000  # as many as of a workbook
_DELIMITERS = "\t;|,"  # those that are rarer inside of cells first: they win a tie
_SAMPLE = 64 * 1024  # characters that decide about the delimiter
_SAMPLED_ROWS = 200
_NO_HEADER = 0.1  # of the rows: so many may be ragged rather than the header, which is part of the table
_HARDLY = 1e-9  # the agreement on a delimiter that few rows have, as in a table of one column with a remark
_HEADER_SAMPLE = 60  # rows that decide about the header
_MAX_PREAMBLE = 20  # lines above the table
_TOLD = re.compile(r"sep=(.)\n", re.IGNORECASE)  # Excel's own way of telling the delimiter
_END = "\x1e"  # a line after the last, to see whether a quotation mark was left open


def parse_delimited(text: str) -> ParsedDocument:
    """A document of decoded CSV or TSV.

    Raises:
        UnreadableFileError: No cell holds text.
    """
    text = normalise_lines(text)
    told = _TOLD.match(text)
    delimiter = told[1] if told is not None else detect_delimiter(text)
    rows = _rows(text[told.end() :] if told is not None else text, delimiter)
    warnings = []
    if len(rows) > MAX_ROWS:
        warnings.append(f"only the first {MAX_ROWS} of the file's rows were read")
    builder = DocumentBuilder()
    start = _preamble(rows)
    for row in rows[:start]:
        builder.line(" ".join(cell.strip() for cell in row if cell.strip()))
    table = rows[start:MAX_ROWS]
    header_rows = min(1, count_header_rows(table[:_HEADER_SAMPLE]))  # a file of records has no second one
    write_table(builder, table, header_rows=header_rows, rows_are_records=True)
    if not builder.length:
        raise UnreadableFileError("the file holds no text")
    return builder.build(FileType.TSV if delimiter == "\t" else FileType.CSV, warnings=warnings)


def detect_delimiter(text: str) -> str:
    """Tab, semicolon, bar or comma: that by which the rows agree best on their number of cells."""
    sample = text[:_SAMPLE]
    scores = {delimiter: _agreement(sample, delimiter) for delimiter in _DELIMITERS}
    best = max(scores, key=lambda delimiter: scores[delimiter])
    return best if scores[best] else ","


def _agreement(sample: str, delimiter: str) -> float:
    """How well it parts the sample: the share of rows of the usual width; less when the first has another."""
    rows = [row for row in islice(_read(io.StringIO(sample), delimiter), _SAMPLED_ROWS) if any(row)]
    widths = Counter(map(len, rows[:-1] or rows))  # the sample may end inside the last
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
    if width <= 1:
        return _HARDLY if max(widths, default=0) > 1 else 0.0
    return count / widths.total() - (0.0 if len(rows[0]) == width else _NO_HEADER)


def _rows(text: str, delimiter: str) -> list[list[str]]:
    """The rows with text, up to one more than are allowed."""
    if csv.field_size_limit() < len(text):
        csv.field_size_limit(len(text))  # the module's own limit refuses long cells, and knows no other way
    rows = list(islice(_read(chain(io.StringIO(text), ["\n", _END]), delimiter), 2 * MAX_ROWS))
    is_open = len(rows) < 2 * MAX_ROWS and rows[-1:] != [[_END]]  # a quotation mark has swallowed the rest
    if is_open:
        rows = [row for line in islice(io.StringIO(text), 2 * MAX_ROWS) for row in _read([line], delimiter)]
    rows = [row for row in rows if any(cell.strip() for cell in row) and row != [_END]]
    return rows[: MAX_ROWS + 1]


def _read(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    return iter(csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != "\t"))


def _preamble(rows: Sequence[Sequence[str]]) -> int:
    """How many rows at the top are text above the table: they are alone, or far narrower than its rows."""
    widths = Counter(map(len, rows))
    usual = max(widths, key=lambda width: (widths[width], width), default=0)
    for at, row in enumerate(rows[:_MAX_PREAMBLE]):
        alone = sum(bool(cell.strip()) for cell in row) == 1
        if usual == 1 or not (alone or 2 * len(row) <= usual):
            return at
    return 0
