"""Whether records have the fields that they must have, and whether cells and values are mostly empty.

A record is a row of a table, or `key: value` lines; keys of objects in objects are joined by dots.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice, pairwise

from rag.documents import ParsedDocument
from rag.quality.rules import QualityRules
from rag.quality.schema import RecordSchema

_LIMIT = 20_000  # records that are looked at
_ENOUGH = 20  # cells or values; of fewer, a share says little
_KEY = re.compile(r"([^:\n]{1,120}):(?:[ \t]+(.*))?")
_BAR = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r"[ \t|:]*-[ \t|:-]*")  # of dashes, under a header
_ROW = re.compile(r"^[ \t]*\|.*$", re.MULTILINE)
_NULLS = frozenset(
    {"", "-", "--", "–", "—", "null", "none", "nil", "nan", "n/a", "na", "#n/a", "\\n", "<na>"}
)

Record = Mapping[str, str]


def find_schema_violations(document: ParsedDocument, rules: QualityRules) -> str | None:
    """Says what is wrong most often when records don't fit the schema."""
    if rules.record_schema is None:
        return None
    problems: Counter[str] = Counter()
    count = 0
    for record in islice(_records(document), _LIMIT):
        count += 1
        problems.update(_problems(record, rules.record_schema))
    if not count:
        return "the document holds no records"
    return "; ".join(f"{times} of {count} records {text}" for text, times in problems.most_common(3)) or None


def find_nulls(document: ParsedDocument, rules: QualityRules) -> str | None:
    """Says so when more of the cells and values than allowed are empty."""
    if rules.max_null_values is None:
        return None
    share = null_share(document)
    return f"{share:.0%} of the cells or values are empty" if share > rules.max_null_values else None


def null_share(document: ParsedDocument) -> float:
    """Of the cells and values, those that are empty or say so, as "n/a" does; 0 if there are few.

    A key that other records have is an empty value of a record that has it not. Headers are not counted.
    """
    rows = [found[0] for found in islice(_ROW.finditer(document.text), _LIMIT)]
    cells = [cell for row, below in pairwise([*rows, ""]) for cell in _body_cells(row, below)]
    records = [_fields(text) for text in islice(_record_texts(document), _LIMIT) if not _is_row(text)]
    keys = {_first_key(key) for record in records for key in record}
    filled = sum(not _is_null(cell) for cell in cells)
    for record in records:
        filled += len({_first_key(key) for key, value in record.items() if not _is_null(value)})
    values = len(cells) + len(keys) * len(records)
    return 1 - filled / values if values >= _ENOUGH else 0.0


def _problems(record: Record, schema: RecordSchema) -> Iterator[str]:
    """What is wrong with a record, in words that follow "3 of 7 records"."""
    for name in schema.required:
        inside = f"{name}."
        if not any((key == name or key.startswith(inside)) and not _is_null(record[key]) for key in record):
            yield f'have no "{name}"'
    for name, kind in schema.types.items():
        value = record.get(name, "")
        if not _is_null(value) and not kind.holds(value):
            yield f'have a "{name}" that is no {kind}'
    for name, values in schema.allowed.items():
        value = record.get(name, "")
        if not _is_null(value) and value not in values:
            yield f'have a "{name}" that is not allowed'


def _records(document: ParsedDocument) -> Iterator[Record]:
    tables = iter(document.tables)
    table = next(tables, None)
    for span in document.records:
        while table is not None and table.end <= span.start:
            table = next(tables, None)
        text = document.text[span.start : span.end]
        if table is not None and table.start <= span.start and _is_row(text):
            header = document.text[table.start : table.header_end].partition("\n")[0]
            yield dict(zip(_cells(header), _cells(text), strict=False))
        else:
            yield _fields(text)


def _record_texts(document: ParsedDocument) -> Iterator[str]:
    return (document.text[span.start : span.end] for span in document.records)


def _fields(text: str) -> Record:
    """Keys and values of `key: value` lines; a line without a key belongs to the value above."""
    fields: dict[str, str] = {}
    key = ""
    for line in text.split("\n"):
        found = _KEY.fullmatch(line)
        if found is not None:
            key = found[1].strip()
            fields[key] = (found[2] or "").strip()
        elif key:
            fields[key] = f"{fields[key]}\n{line.strip()}".strip()
    return fields


def _is_row(text: str) -> bool:
    return text.lstrip().startswith("|")


def _body_cells(row: str, below: str) -> list[str]:
    """The cells of a row; none of a header, which has a rule of dashes below it, nor of the rule."""
    return [] if _RULE.fullmatch(row) or _RULE.fullmatch(below) else _cells(row)


def _cells(row: str) -> list[str]:
    inner = row.strip().removeprefix("|")
    return [cell.strip().replace("\\|", "|") for cell in _BAR.split(inner.removesuffix("|"))]


def _is_null(value: str) -> bool:
    return value.lower() in _NULLS


def _first_key(path: str) -> str:
    return path.partition(".")[0]
