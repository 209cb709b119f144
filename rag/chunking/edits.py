"""Replacing parts of a document's text, and moving along what points into it."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rag.documents import ParsedDocument, RecordSpan, TableSpan


@dataclass(frozen=True, slots=True)
class Edit:
    """A table's new text.

    Attributes:
        start: The table's first character in the document.
        end: One past its last character.
        text: What comes instead.
        tables: The tables in `text`, by offsets in it.
        records: The records in `text`, by offsets in it.
        moved: Where rows begin and end: the offset in the document and that in `text`, in order.
    """

    start: int
    end: int
    text: str
    tables: tuple[TableSpan, ...]
    records: tuple[RecordSpan, ...]
    moved: tuple[tuple[int, int], ...]


def apply_edits(document: ParsedDocument, edits: Sequence[Edit]) -> ParsedDocument:
    """The document after `edits`, which are in text order."""
    moved = _Offsets(edits)
    text = _edited(document.text, edits)
    edited = {edit.start for edit in edits}
    tables = [
        replace(t, start=moved(t.start), header_end=moved(t.header_end), end=moved(t.end))
        for t in document.tables
        if t.start not in edited
    ]
    records = []
    for edit in edits:
        at = moved(edit.start)
        tables += [TableSpan(at + t.start, at + t.header_end, at + t.end) for t in edit.tables]
        records += [RecordSpan(at + r.start, at + r.end) for r in edit.records]
    return replace(
        document,
        text=text,
        headings=tuple(replace(h, start=moved(h.start), end=moved(h.end)) for h in document.headings),
        pages=tuple(replace(p, start=moved(p.start), end=moved(p.end)) for p in document.pages),
        tables=tuple(sorted(tables, key=lambda table: table.start)),
        records=tuple(_records(document.records, records, moved, text)),
    )


class _Offsets:
    """From offsets in the old text to offsets in the new one."""

    def __init__(self, edits: Sequence[Edit]) -> None:
        self._old, self._new = [0], [0]
        growth = 0
        for edit in edits:
            for old, new in ((edit.start, 0), *edit.moved, (edit.end, len(edit.text))):
                self._old.append(old)
                self._new.append(edit.start + growth + new)
            growth += len(edit.text) - (edit.end - edit.start)

    def __call__(self, offset: int) -> int:
        after = bisect_right(self._old, offset)
        new = self._new[after - 1] + offset - self._old[after - 1]
        return min(new, self._new[after]) if after < len(self._new) else new


def _edited(text: str, edits: Sequence[Edit]) -> str:
    parts, at = [], 0
    for edit in edits:
        parts += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join([*parts, text[at:]])


def _records(
    old: Sequence[RecordSpan], new: Sequence[RecordSpan], moved: _Offsets, text: str
) -> Iterator[RecordSpan]:
    """The records in the edited text: the new ones, and what of the old ones is beside them.

    Only a record that is too long for a chunk, or the row that has become new ones, has new ones inside.
    """
    starts = [record.start for record in new]
    done = 0
    for record in old:
        start, end = moved(record.start), moved(record.end)
        first, after = bisect_left(starts, start), bisect_left(starts, end)
        yield from new[done:first]
        for inner in new[first:after]:
            yield from _unless_blank(text, start, inner.start)
            yield inner
            start = inner.end
        yield from _unless_blank(text, start, end)
        done = after
    yield from new[done:]


def _unless_blank(text: str, start: int, end: int) -> Iterator[RecordSpan]:
    if text[start:end].strip():
        yield RecordSpan(start, end)
