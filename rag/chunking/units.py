"""The pieces of a document that are not divided: sentences, heading lines, tables and records."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from rag.chunking.blocks import caption_start
from rag.chunking.measure import Span
from rag.chunking.source import Source
from rag.sections import Section
from rag.sentences import sentence_spans

_Kind = Literal["lead", "sentence", "block"]


@dataclass(frozen=True, slots=True)
class Unit:
    """The smallest piece that is not divided, or part of an overlong one.

    Attributes:
        start: Its first character.
        end: One past its last character.
        tokens: Tokens of its text.
        leads: It stays with what follows: a heading line, or a table's caption.
    """

    start: int
    end: int
    tokens: int
    leads: bool


def read_units(source: Source, sections: Iterable[Section]) -> Iterator[Unit]:
    """The units of these sections in text order, each within the target."""
    measure = source.measure
    held = 0  # tokens of the headings and the caption that wait for what they stand above
    for section in sections:
        for (start, end), kind in _parts(source, section):
            leads, room = kind == "lead", measure.target
            if kind == "sentence" and held <= room // 2:
                room -= held  # the first piece of a long sentence leaves room for its heading
            for piece_start, piece_end in measure.pieces(start, end, room):
                unit = Unit(piece_start, piece_end, measure.count(piece_start, piece_end), leads)
                held += unit.tokens
                yield unit
            held = held if leads else 0


def _parts(source: Source, section: Section) -> Iterator[tuple[Span, _Kind]]:
    """A section's heading, and the sentences and blocks below it with their captions."""
    measure = source.measure
    yield measure.stripped(section.start, section.body), "lead"
    at = section.body
    for block in source.blocks.within(section.body, section.end):
        caption = block.start
        if block.is_table:
            caption = caption_start(
                measure.text, at, block.start, count=measure.count, target_tokens=measure.target
            )
        yield from _sentences(source, at, caption)
        yield measure.stripped(caption, block.start), "lead"
        yield (block.start, block.end), "block"
        at = block.end
    yield from _sentences(source, at, section.end)


def _sentences(source: Source, start: int, end: int) -> Iterator[tuple[Span, _Kind]]:
    for first, last in sentence_spans(source.measure.text[start:end]):
        yield (start + first, start + last), "sentence"
