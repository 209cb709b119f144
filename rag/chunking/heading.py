"""Chunks by heading: the sentences of related sections packed up to the target."""

from collections.abc import Iterator

from rag.chunking.measure import Span
from rag.chunking.packing import Packer
from rag.chunking.source import Source
from rag.chunking.units import read_units
from rag.sections import group_sections


def heading_spans(source: Source) -> Iterator[Span]:
    """The chunks of the whole document.

    A chunk holds whole sentences, list items, table rows and code lines of one group of sections
    (`rag.sections` says which share chunks), a heading line together with what follows it, and a table or
    record that fits. The next chunk of the group repeats whole sentences from the end of the last one, unless
    a heading lies between. A last chunk that is tiny is evened out with the one before. Only a sentence that
    is too long by itself, or together with its heading, is cut: at white space, else between tokens.
    """
    return heading_spans_within(source, 0, len(source.document.text))


def heading_spans_within(source: Source, start: int, end: int) -> Iterator[Span]:
    """The same for `[start, end)` as if nothing stood around it."""
    measure = source.measure
    for group in group_sections(source.sections(start, end), measure.count, measure.target):
        packer = Packer(
            list(read_units(source, group.sections)),
            target=measure.target,
            overlap=source.overlap,
            max_characters=measure.max_characters,
        )
        for chunk in packer.spans():
            yield from measure.fitting(*chunk)
