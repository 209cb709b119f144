"""What a search chooses among, so that another fusion can rank it without another search."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from rag.fuse import Candidate, Fusion, fuse


@dataclass(frozen=True, slots=True)
class CandidateChunk:
    """A chunk that a leg found.

    Attributes:
        number: Decides between equal scores: the lower one comes first.
        chunk_id: The chunk's own id.
        source_document_id: The caller's name for its source.
        legs: What the legs say of it.
        fingerprint: The same for chunks with the same text.
        near: Numbers of the other candidates that say nearly the same.
    """

    number: int
    chunk_id: UUID
    source_document_id: str
    legs: Candidate
    fingerprint: int
    near: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class CandidatePool:
    """All that the legs found for one question, copies included.

    Attributes:
        chunks: In any order.
        lexical_bound: What no BM25 score of the question reaches.
        near_kept: So many of chunks that say nearly the same stay.
        near_places: Behind this many places for each result that is wanted, all of them stay.
    """

    chunks: tuple[CandidateChunk, ...]
    lexical_bound: float
    near_kept: int
    near_places: int


def rank_pool(pool: CandidatePool, fusion: Fusion, *, limit: int) -> list[CandidateChunk]:
    """What a search with this fusion and limit returns: best first, without the copies of better ones."""
    chunks = sorted(pool.chunks, key=lambda chunk: chunk.number)
    scores = fuse([chunk.legs for chunk in chunks], fusion, lexical_bound=pool.lexical_bound)
    scored = zip(scores, chunks, strict=True)
    ordered = [chunk for _, chunk in sorted(scored, key=lambda pair: (-pair[0], pair[1].number))]
    return _distinct(ordered, pool, until=pool.near_places * limit)[:limit]


def _distinct(ordered: Sequence[CandidateChunk], pool: CandidatePool, *, until: int) -> list[CandidateChunk]:
    """A chunk counts against those that are near it, whether it stays itself or not."""
    fingerprints: set[int] = set()
    better: set[int] = set()
    kept = []
    for place, chunk in enumerate(ordered, start=1):
        if chunk.fingerprint in fingerprints:
            continue
        if place > until or len(better & chunk.near) < pool.near_kept:
            kept.append(chunk)
        fingerprints.add(chunk.fingerprint)
        better.add(chunk.number)
    return kept
