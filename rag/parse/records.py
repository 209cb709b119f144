"""JSON and JSON Lines as text that reads well and can be searched: `key: value` lines, no brackets or quotes.

Each object of an array, and each line of JSON Lines, is a record of its own. Keys of objects in objects are
joined by dots, and an array of values stands on one line. Numbers are kept as they are written, so no digit
is lost whatever their size.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rag.documents import ParsedDocument
from rag.errors import UnreadableFileError
from rag.parse.builder import DocumentBuilder
from rag.parse.decode import storable
from rag.parse.titles import tidy_title
from rag.parse.types import FileType

_MAX_DEPTH = 32  # objects in objects; data of people nests ten deep at most
_MAX_KEY = 60  # characters
_MAX_PATH = 120  # characters; of a longer one the last part is shown
_MAX_TEXT = 64 * 1024**2  # characters; joined keys can make the text many times longer than the file
_LONG = 80  # characters; texts that long stand on lines of their own, not between commas
_NAMING = {
    word: rank
    for rank, word in enumerate(
        ("title", "name", "headline", "subject", "question", "label", "heading", "id", "_id", "key")
    )
}
_SHOWN = 10  # line numbers in a warning


def parse_json(text: str) -> ParsedDocument:
    """The document of JSON; several values one below the other are read as JSON Lines.

    Raises:
        UnreadableFileError: It is not JSON, nests too deeply, or holds no text.
    """
    try:
        value = _loads(text)
    except json.JSONDecodeError as error:
        lines = _as_json_lines(text)
        if lines is not None:
            return lines
        where = f"line {error.lineno}, column {error.colno}"
        raise UnreadableFileError(f"the file is not valid JSON ({where})") from error
    except RecursionError as error:
        raise UnreadableFileError("the JSON nests too deeply") from error
    builder = DocumentBuilder()
    writer = RecordWriter(builder)
    writer.write(value)
    if writer.warnings and not builder.length:
        raise UnreadableFileError("the JSON nests too deeply")
    return _built(builder, FileType.JSON, title=_title(value), warnings=writer.warnings)


def parse_json_lines(text: str) -> ParsedDocument:
    """The document of JSON Lines, each line a record; `warnings` name lines that are no JSON.

    Raises:
        UnreadableFileError: No line is JSON, or none holds text.
    """
    builder = DocumentBuilder()
    writer = RecordWriter(builder)
    broken = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = _loads(line)
        except (json.JSONDecodeError, RecursionError):
            broken.append(number)
        else:
            writer.record(value)
    if broken and not builder.length:
        raise UnreadableFileError(f"the file is not valid JSON Lines: {_not_json(broken)}")
    return _built(
        builder, FileType.JSONL, warnings=(*([_not_json(broken)] if broken else ()), *writer.warnings)
    )


class RecordWriter:
    """Appends values as JSON knows them: objects, arrays, strings, numbers, true, false and null."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder
        self._cut = False

    @property
    def warnings(self) -> tuple[str, ...]:
        return (f"what nests deeper than {_MAX_DEPTH} levels was left out",) if self._cut else ()

    def write(self, value: Any) -> None:
        """A whole file's value: its arrays of objects record by record, the rest before them."""
        if _are_records(value):
            self._records(value)
        elif isinstance(value, dict):
            self._object(value)
        elif isinstance(value, list) and not _is_plain(value):
            for item in value:
                self._paragraph(item)
        else:
            self._paragraph(value)

    def record(self, value: Any) -> None:
        """One record; the field that names it stands first."""
        with self._builder.record():
            self._paragraph(_with_name_first(value) if isinstance(value, dict) else value)

    def _records(self, values: Sequence[Any]) -> None:
        for value in values:
            self.record(value)

    def _object(self, value: Mapping[str, Any]) -> None:
        tables = {key: part for key, part in value.items() if _are_records(part) and len(part) > 1}
        rest = {key: part for key, part in value.items() if key not in tables}
        self._paragraph({key: part for key, part in rest.items() if _is_plain(part)})
        for key, part in rest.items():
            if not _is_plain(part):
                self._paragraph({key: part})
        for key, part in tables.items():
            if len(tables) > 1:
                self._builder.heading(storable(key), 1)
            self._records(part)

    def _paragraph(self, value: Any) -> None:
        lines, room = [], _MAX_TEXT - self._builder.length
        for path, text in self._fields(value, "", 0):
            line = f"{path}: {text}" if path else text
            lines.append(line)
            room -= len(line) + 1
            if room < 0:
                raise UnreadableFileError("the file is too large when written out as text")
        self._builder.paragraph(storable("\n".join(lines)))

    def _fields(self, value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
        """Key and text of everything in `value` that is not empty."""
        if _is_plain(value):
            text = _plain_text(value)
            if text:
                yield path, text
        elif depth == _MAX_DEPTH:
            self._cut = True
        elif isinstance(value, dict):
            for key, part in value.items():
                yield from self._fields(part, _joined(path, key), depth + 1)
        else:
            for number, part in enumerate(value, start=1):
                numbered = path if len(value) == 1 else _joined(path, str(number))
                yield from self._fields(part, numbered, depth + 1)


def _loads(text: str) -> Any:
    """The value; numbers as they are written, NaN and Infinity too."""
    return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)


def _as_json_lines(text: str) -> ParsedDocument | None:
    """The document when every line is JSON, and there are several."""
    try:
        document = parse_json_lines(text)
    except UnreadableFileError:
        return None
    return None if document.warnings or len(document.records) < 2 else document  # noqa: PLR2004 - several


def _built(
    builder: DocumentBuilder, kind: FileType, *, title: str | None = None, warnings: tuple[str, ...] = ()
) -> ParsedDocument:
    if not builder.length:
        raise UnreadableFileError("the file holds no text")
    return builder.build(kind, title=title, warnings=warnings)


def _are_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _is_plain(value: Any) -> bool:
    """Whether a value has no keys inside: a string, a number, or an array of these."""
    if isinstance(value, list):
        return not any(isinstance(item, (dict, list)) for item in value)
    return not isinstance(value, dict)


def _plain_text(value: Any) -> str:
    if isinstance(value, list):
        texts = [text for text in map(_plain_text, value) if text]
        return ("\n" if any(len(text) > _LONG for text in texts) else ", ").join(texts)
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def _joined(path: str, key: str) -> str:
    key = " ".join(key.split())
    key = key if len(key) <= _MAX_KEY else key[: _MAX_KEY - 1] + "…"
    whole = f"{path}.{key}" if path and key else path or key
    return whole if len(whole) <= _MAX_PATH else "…" + whole[1 - _MAX_PATH :]


def _with_name_first(record: Mapping[str, Any]) -> Mapping[str, Any]:
    ranked = [
        (_NAMING[key.lower()], key)
        for key, value in record.items()
        if key.lower() in _NAMING and _is_name(value)
    ]
    name = min(ranked)[1] if ranked else None
    return record if name is None else {name: record[name], **record}


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _title(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    name = next((value[key] for key in ("title", "name") if _is_name(value.get(key))), "")
    return tidy_title(storable(name)) or None


def _not_json(numbers: Sequence[int]) -> str:
    listed = ", ".join(map(str, numbers[:_SHOWN]))
    rest = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return f"line {listed} is not JSON" if len(numbers) == 1 else f"lines {listed}{rest} are not JSON"
