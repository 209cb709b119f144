"""Which chunks hold personal data. Findings are in text order and don't overlap, as `Treated` has them."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from rag.documents import Chunk
from rag.privacy.entities import EntityKind, Finding


def kinds_in(chunk: Chunk, findings: Sequence[Finding]) -> tuple[EntityKind, ...]:
    """The kinds that a chunk holds any of, in alphabetical order: its metadata `personal_data`."""
    return tuple(sorted({finding.kind for finding in _touching(chunk, findings)}))


def chunks_without(chunks: Sequence[Chunk], findings: Sequence[Finding]) -> list[Chunk]:
    """The chunks that no finding touches, numbered anew from 0."""
    kept = [chunk for chunk in chunks if not _touching(chunk, findings)]
    return [replace(chunk, index=index) for index, chunk in enumerate(kept)]


def _touching(chunk: Chunk, findings: Sequence[Finding]) -> Sequence[Finding]:
    first = bisect_left(findings, chunk.start + 1, key=lambda finding: finding.end)
    last = bisect_left(findings, chunk.end, lo=first, key=lambda finding: finding.start)
    return findings[first:last]
