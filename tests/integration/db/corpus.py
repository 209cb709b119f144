"""Small corpora for tests of search."""

from collections.abc import Sequence
from hashlib import sha256
from uuid import UUID

import numpy as np

from db.pool import Database
from db.repositories import spaces
from db.repositories.spaces import Space
from db.stores import PostgresChunkSearch
from rag.analysis import analyse
from rag.documents import Chunk
from rag.fuse import Fusion
from rag.ports import Findings, NewVersion, SearchQuery, SearchScope, SourceLabels


def unit_vector(seed: int) -> list[float]:
    vector = np.random.default_rng(seed).normal(size=384)
    return [float(value) for value in vector / np.linalg.norm(vector)]


def new_version(
    name: str,
    texts: Sequence[str],
    *,
    title: str = "",
    acl: tuple[str, ...] | None = None,
    metadata: dict[str, object] | None = None,
    seed: int = 0,
    vectors: Sequence[Sequence[float]] | None = None,
    language: str | None = "en",
) -> NewVersion:
    """A version whose chunks are `texts`, with random vectors unless some are given."""
    text = "\n".join(texts)
    chunks, start = [], 0
    for index, part in enumerate(texts):
        chunks.append(Chunk(index, part, start, start + len(part), token_count=len(part.split())))
        start += len(part) + 1
    return NewVersion(
        labels=SourceLabels(name, metadata=metadata, acl=acl),
        title=title,
        mime_type="text/plain",
        content_sha256=name.encode(),
        reading_sha256=name.encode(),
        byte_size=len(text),
        text=text,
        chunks=tuple(chunks),
        text_digests=tuple(sha256(part.encode()).digest() for part in texts),
        vectors=tuple(vectors or (unit_vector(seed + index) for index in range(len(chunks)))),
        language=language,
        languages=(language,) * len(chunks),
    )


async def find_space(database: Database) -> Space:
    async with database.system() as connection:
        space = await spaces.active(connection)
    assert space
    return space


class Searcher:
    """Searches of one tenant, by words or by a vector."""

    def __init__(self, search: PostgresChunkSearch, tenant_id: UUID) -> None:
        self._search = search
        self._tenant_id = tenant_id

    async def __call__(self, query: SearchQuery, scope: SearchScope | None = None) -> Findings:
        return await self._search.search(scope or SearchScope(self._tenant_id), query)

    async def words(self, question: str, scope: SearchScope | None = None, *, limit: int = 10) -> Findings:
        return await self(SearchQuery(vector=None, words=analyse(question), limit=limit), scope)

    async def vector(
        self, vector: Sequence[float], scope: SearchScope | None = None, *, limit: int = 10
    ) -> Findings:
        return await self(SearchQuery(vector=vector, words=None, limit=limit), scope)

    async def texts(self, question: str, scope: SearchScope | None = None) -> list[str]:
        """What the lexical leg finds, best first."""
        return [found.passage.text for found in (await self.words(question, scope)).passages]


def both_legs(question: str, vector: list[float], fusion: Fusion, *, limit: int = 50) -> SearchQuery:
    return SearchQuery(vector=vector, words=analyse(question), limit=limit, candidates=10, fusion=fusion)
