"""What a text whose name says nothing is: told by how it begins, and only where that is beyond doubt."""

import csv
import json
import re

from rag.parse.types import FileType

_HEAD = 4096  # characters looked at, save for JSON, which is whole or nothing
_HTML = re.compile(
    r"\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--.{0,2000}?-->\s*)*"
    r"<(?:!doctype\s+html|html|head|body|script|style|title|meta|link|table|div|h1|p|a|b|br|font|iframe)[\s/>]",
    re.IGNORECASE | re.DOTALL,
)
_XML = re.compile(r"\s*<\?xml\s")
_XHTML = re.compile(
    r"\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html)[\s>]",
    re.IGNORECASE | re.DOTALL,
)
_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,60}):[ \t]?\S?")
_ENVELOPE = frozenset({"message-id", "received", "mime-version", "return-path"})
_ADDRESSED = frozenset({"to", "subject", "date"})
_COLUMN_NAME = re.compile(r"[^\W\d_][\w .()%/#&-]{0,40}")
_VALUE = re.compile(r"[-+]?[\d.,:/ %€$£-]{0,30}[\dTZ]?|true|false", re.IGNORECASE)
_TABLE_ROWS = 5  # rows that must agree before text is taken for a table
_ROWS_LOOKED_AT = 50
_FEW_COLUMNS = {",": 3, ";": 3, "\t": 2}  # prose has commas too, but hardly tabs


def sniff(text: str) -> FileType:
    """The kind of a text that could be anything; plain text unless the signs are clear."""
    head = text[:_HEAD]
    if _HTML.match(head):
        return FileType.HTML
    if _XML.match(head):
        return FileType.XML
    if head.lstrip().startswith(("{", "[")):
        return _json_kind(text) or FileType.TEXT
    if _is_mail(head):
        return FileType.EML
    return _table_kind(head) or FileType.TEXT


def is_xhtml(text: str) -> bool:
    """Whether XML is a web page."""
    return _XHTML.match(text[:_HEAD]) is not None


def _json_kind(text: str) -> FileType | None:
    """JSON when all of it is; JSON Lines when the first two lines are an object each."""
    lines = [line for line in text[:_HEAD].split("\n", 3)[:3] if line.strip()]
    if len(lines) > 1 and all(_is_structured(line, (dict,)) for line in lines[:2]):
        return FileType.JSONL
    return FileType.JSON if _is_structured(text, (dict, list)) else None


def _is_structured(text: str, kinds: tuple[type, ...]) -> bool:
    if not text.rstrip().endswith(("}", "]")):
        return False
    try:
        value = json.loads(text, parse_int=str)  # as text: a number of a million digits is no number
    except (ValueError, RecursionError):
        return False
    if isinstance(value, list):
        return list in kinds and bool(value) and isinstance(value[0], (dict, list))
    return isinstance(value, kinds) and bool(value)


def _is_mail(head: str) -> bool:
    """Whether the text begins with header lines that only a mail program writes (RFC 5322)."""
    names = set()
    for line in head.split("\n"):
        if not line.strip():
            break
        found = _HEADER.match(line)
        if found is not None:
            names.add(found[1].lower())
        elif not names or not line.startswith((" ", "\t")):
            return False
    return "from" in names and bool(names & _ENVELOPE) and bool(names & _ADDRESSED)


def _table_kind(head: str) -> FileType | None:
    lines = [line for line in head.split("\n")[:_ROWS_LOOKED_AT] if line.strip()]
    if len(head) == _HEAD:
        lines = lines[:-1]  # cut in the middle
    if len(lines) < _TABLE_ROWS:
        return None
    for delimiter, few in _FEW_COLUMNS.items():
        if all(line.count(delimiter) >= few - 1 for line in lines) and _is_table(lines, delimiter):
            return FileType.TSV if delimiter == "\t" else FileType.CSV
    return None


def _is_table(lines: list[str], delimiter: str) -> bool:
    """Rows of one length under distinct short names, with a column that holds nothing but values."""
    try:
        header, *rows = csv.reader(lines, delimiter=delimiter, strict=True)
    except csv.Error:
        return False
    named = len(set(header)) == len(header) and all(_COLUMN_NAME.fullmatch(name) for name in header)
    if not named or any(len(row) != len(header) for row in rows):
        return False
    columns = zip(*rows, strict=True)
    return any(any(cells) and all(_VALUE.fullmatch(cell.strip()) for cell in cells) for cells in columns)
