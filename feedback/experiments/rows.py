"""What an analysis reads: one row or more for each subject, from a file or any other source."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rag.errors import InvalidInputError

_OWN = ("subject", "variant", "exposed_at")
_SEGMENT = "segment"
_MISSING = (None, "")


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of a subject from one line.

    Attributes:
        origin: Where it stands, for messages: "line 7".
        subject: Who was assigned.
        variant: To what.
        exposed_at: When the variant first made a difference to them, in UTC.
        outcomes: By column, as written; what isn't known is left out.
        segments: Value of each column whose name begins with "segment".
    """

    origin: str
    subject: str
    variant: str
    exposed_at: datetime
    outcomes: Mapping[str, object]
    segments: Mapping[str, str]


def read_rows(path: Path) -> list[Row]:
    """The rows of a `.jsonl` or `.csv` file.

    Raises:
        InvalidInputError: It can't be read, or a line lacks a field or holds something else; the message says
            which line.
    """
    lines = _READERS.get(path.suffix.lower())
    if lines is None:
        raise InvalidInputError(f"{path}: not a .jsonl or .csv file")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [make_row(f"line {number}", record) for number, record in lines(file)]
    except OSError as exc:
        raise InvalidInputError(f"{path}: {exc.strerror}") from exc
    except (UnicodeDecodeError, csv.Error, InvalidInputError) as exc:
        raise InvalidInputError(f"{path}: {exc}") from exc
    if not rows:
        raise InvalidInputError(f"{path}: has no rows")
    return rows


def make_row(origin: str, record: Mapping[str, object]) -> Row:
    """A row of a line's fields.

    Raises:
        InvalidInputError: `subject`, `variant` or `exposed_at` is missing or wrong.
    """
    known = {name: value for name, value in record.items() if value not in _MISSING}
    subject, variant, exposed_at = (_text(origin, known, name) for name in _OWN)
    return Row(
        origin=origin,
        subject=subject,
        variant=variant,
        exposed_at=_time(origin, exposed_at),
        outcomes={n: v for n, v in known.items() if n not in _OWN and not n.startswith(_SEGMENT)},
        segments={name: str(value) for name, value in known.items() if name.startswith(_SEGMENT)},
    )


def _text(origin: str, record: Mapping[str, object], name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise InvalidInputError(f"{origin}: {name} is {'missing' if value is None else 'not a text'}")
    return str(value)


def _time(origin: str, text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise InvalidInputError(f"{origin}: exposed_at is {text!r}, not a time") from exc
    raise InvalidInputError(f"{origin}: exposed_at is {text!r}, without a time zone")


def _json_lines(file: Iterable[str]) -> Iterator[tuple[int, Mapping[str, object]]]:
    for number, line in enumerate(file, 1):
        if line.strip():
            yield number, _json_object(number, line)


def _json_object(number: int, line: str) -> dict[str, object]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise InvalidInputError(f"line {number}: not JSON") from exc
    if not isinstance(record, dict):
        raise InvalidInputError(f"line {number}: not a JSON object")
    return record


def _csv_lines(file: Iterable[str]) -> Iterator[tuple[int, Mapping[str, object]]]:
    reader = csv.DictReader(file, strict=True)
    for record in reader:
        if None in record or None in record.values():
            raise InvalidInputError(f"line {reader.line_num}: not as many fields as the first line names")
        yield reader.line_num, dict(record)


_READERS: Mapping[str, Callable[[Iterable[str]], Iterator[tuple[int, Mapping[str, object]]]]] = {
    ".jsonl": _json_lines,
    ".csv": _csv_lines,
}
