"""Rows of a table as lines of `Header: value; Header: value`, for tables that are too wide for a chunk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, zip_longest

from rag.chunking.measure import Measure
from rag.sections import TINY_SHARE
from rag.tokens import Tokenizer

_SEPARATOR = "; "


@dataclass(frozen=True, slots=True)
class _Field:
    label: str  # `Header: `; empty for a column without a header
    value: str
    size: int  # of the label, the value and the separator after it

    @property
    def text(self) -> str:
        return self.label + self.value


class FieldWriter:
    """Writes the rows of one table.

    Args:
        headers: The texts of the header's cells; one of more than half the target is shortened.
        tokenizer: The embedder's.
        target: Most tokens of a line.
    """

    def __init__(self, headers: Sequence[str], tokenizer: Tokenizer, target: int) -> None:
        self._tokenizer = tokenizer
        self._target = target
        self._labels = [self._label(header) for header in headers]
        self._unsaid = {number: header for number, header in enumerate(headers) if header}

    @property
    def unsaid(self) -> list[str]:
        """The headers that no line holds in full: of columns without a value, and those shortened."""
        return list(self._unsaid.values())

    def lines(self, cells: Sequence[str], *, above: int = 0) -> list[str]:
        """A row as one line, or as several that repeat its first field if that is short; no empty cells.

        The first line leaves room for `above` tokens if it can.
        """
        fields = self._fields(cells)
        if sum(field.size for field in fields) + above <= self._target:
            return [_SEPARATOR.join(field.text for field in fields)] if fields else []
        key: _Field | None = None
        if len(fields) > 1 and fields[0].size <= self._target // TINY_SHARE:
            key = fields.pop(0)
        room = self._target - (key.size if key else 0)
        packed = list(self._packed(fields, room, first=room - above))
        # A value that fits by itself but not with the key stays whole.
        lines = [f"{key.text}{_SEPARATOR}{line}" if key and size <= room else line for line, size in packed]
        if key and all(size > room for _, size in packed):
            lines.insert(0, key.text)
        return lines

    def _packed(self, fields: Sequence[_Field], room: int, *, first: int) -> Iterator[tuple[str, int]]:
        """Lines of fields, and their sizes: at most `room`, or a single field up to the target."""
        line: list[_Field] = []
        left = first
        for field in fields:
            if line and field.size > left:
                yield _joined(line)
                line, left = [], room
            if field.size <= self._target:
                line.append(field)
                left -= field.size
            else:
                yield from ((part, room) for part in self._divided(field, room))
        if line:
            yield _joined(line)

    def _divided(self, field: _Field, room: int) -> Iterator[str]:
        """A value that is too long in parts, each with its header."""
        label = Measure(field.label, self._tokenizer, self._target)
        left = max(1, room - label.size(0, len(field.label)))
        value = Measure(field.value, self._tokenizer, left)
        for start, end in value.pieces(0, len(field.value)):
            yield field.label + field.value[start:end]

    def _fields(self, cells: Sequence[str]) -> list[_Field]:
        columns = enumerate(zip_longest(self._labels, cells, fillvalue=""))
        pairs = {number: pair for number, pair in columns if pair[1]}
        for number, (label, _) in pairs.items():
            if label == _labelled(self._unsaid.get(number, "")):
                self._unsaid.pop(number, None)
        written = [f"{label}{cell}{_SEPARATOR}\n" for label, cell in pairs.values()]
        measure = Measure("".join(written), self._tokenizer, self._target)
        ends = list(accumulate(map(len, written)))
        sizes = [measure.size(end - len(text), end) for text, end in zip(written, ends, strict=True)]
        return [_Field(*pair, size) for pair, size in zip(pairs.values(), sizes, strict=True)]

    def _label(self, header: str) -> str:
        """`header: `, shortened to half the target."""
        label = _labelled(header)
        measure = Measure(label, self._tokenizer, max(1, self._target // 2))
        if measure.fits(0, len(label)):
            return label
        start, end = next(measure.pieces(0, len(label)))
        return f"{label[start:end]}: "


def _joined(fields: Sequence[_Field]) -> tuple[str, int]:
    """The fields as one line, and its size."""
    return _SEPARATOR.join(field.text for field in fields), sum(field.size for field in fields)


def _labelled(header: str) -> str:
    return f"{header.rstrip(':')}: " if header else ""
