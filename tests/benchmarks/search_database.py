"""Corpora in the product's own schema, kept in a cluster below the benchmarks' cache from run to run."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray

from db.addresses import DatabaseLogins
from db.bootstrap import prepare
from db.embedded import ServerAddress, embedded_postgres
from db.embedding_spaces import ensure_embedding_space
from db.migrate import migrate
from db.pool import Connection, Database, connect, open_database
from db.repositories import scope, search_index, tenants
from db.repositories.search_index import ChunkWords
from db.repositories.spaces import Space
from db.stores import PostgresChunkSearch
from rag.models.local import LOCAL_EMBEDDINGS
from tests.benchmarks.corpus_vectors import FOLDER

CLUSTER = FOLDER.parent / "postgres"
DIMENSIONS = 384
BATCH = 2000  # chunks a transaction
BUCKETS = 1000  # each source's metadata has a number `bucket` below it, for filters of known selectivity

ADD_SOURCE = """
INSERT INTO source_documents (id, tenant_id, source_document_id, title, mime_type, content_sha256, metadata,
                              language, current_version)
VALUES ($1, $2, $3, $4, 'text/plain', '', $5, $6, 1)
"""
ADD_VERSION = """
INSERT INTO source_versions (tenant_id, source_id, version, content_sha256, byte_size, text, chunk_count)
VALUES ($1, $2, 1, '', 0, '', $3)
"""
ADD_CHUNKS = """
INSERT INTO documents (tenant_id, source_id, version, chunk_index, text, start_char, end_char, heading_path,
                       token_count, language)
SELECT $1, $2, 1, n - 1, text, 0, length(text), '{}', 0, $4
FROM unnest($3::text[]) WITH ORDINALITY AS c (text, n)
RETURNING number
"""


@dataclass(frozen=True, slots=True)
class BenchChunk:
    """A chunk to search. Chunks of one source stand together, and share its title and language."""

    source: str
    title: str
    text: str
    headings: tuple[str, ...] = ()
    language: str | None = "en"


@dataclass(frozen=True, slots=True)
class SearchDatabase:
    """A loaded corpus. `numbers[i]` is the chunk number of the i-th chunk, `ids[i]` its chunk id."""

    address: ServerAddress
    name: str
    logins: DatabaseLogins
    database: Database
    tenant_id: UUID
    space: Space
    numbers: NDArray[np.int64]
    ids: list[UUID]

    @property
    def search(self) -> PostgresChunkSearch:
        return PostgresChunkSearch(self.database, self.space)


@asynccontextmanager
async def open_search_database(
    name: str,
    chunks: Sequence[BenchChunk],
    vectors: NDArray[np.float32] | None,
    *,
    connections: int = 4,
) -> AsyncIterator[SearchDatabase]:
    """A database holding just this corpus, loaded when it isn't there yet. Without vectors, words only."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(repr(chunk).encode())
    if vectors is not None:
        digest.update(vectors.tobytes())
    full_name = f"{name}_{digest.hexdigest()[:12]}"
    async with AsyncExitStack() as stack:
        CLUSTER.mkdir(parents=True, exist_ok=True)
        address = await stack.enter_async_context(embedded_postgres(CLUSTER))
        logins = await prepare(address, database=full_name)
        await migrate(logins.owner)
        space_id = await ensure_embedding_space(logins.owner, model=LOCAL_EMBEDDINGS, dimensions=DIMENSIONS)
        database = await stack.enter_async_context(open_database(logins, app_connections=connections))
        async with database.system() as connection:
            tenant = await tenants.ensure(connection, slug="default", name="Default")
        numbers, ids = await _stored(database, tenant.id)
        if len(numbers) != len(chunks):
            if len(numbers):
                raise RuntimeError(f"database {full_name} is half loaded: drop it and run again")
            await _load(logins, database, tenant.id, space_id=space_id, chunks=chunks, vectors=vectors)
            numbers, ids = await _stored(database, tenant.id)
        yield SearchDatabase(
            address,
            full_name,
            logins,
            database,
            tenant.id,
            Space(space_id, LOCAL_EMBEDDINGS, DIMENSIONS),
            numbers,
            ids,
        )


async def _stored(database: Database, tenant_id: UUID) -> tuple[NDArray[np.int64], list[UUID]]:
    async with database.tenant(tenant_id) as connection:
        rows = await connection.fetch("SELECT number, id FROM documents ORDER BY number")
    return np.array([row["number"] for row in rows], np.int64), [row["id"] for row in rows]


async def _load(
    logins: DatabaseLogins,
    database: Database,
    tenant_id: UUID,
    *,
    space_id: int,
    chunks: Sequence[BenchChunk],
    vectors: NDArray[np.float32] | None,
) -> None:
    """All of it, the vector index built at the end, as for any bulk load."""
    index = f"chunk_embeddings_space_{space_id}"
    owner = await connect(logins.owner)
    try:
        definition = await owner.fetchval("SELECT indexdef FROM pg_indexes WHERE indexname = $1", index)
        await owner.execute(f"DROP INDEX {index}")
        sources = [list(group) for _, group in groupby(enumerate(chunks), key=lambda item: item[1].source)]
        rng = np.random.default_rng(0)
        pending: list[list[tuple[int, BenchChunk]]] = []
        for at, source in enumerate(sources):
            pending.append(source)
            if sum(map(len, pending)) >= BATCH or at == len(sources) - 1:
                buckets = rng.integers(0, BUCKETS, len(pending))
                async with database.tenant(tenant_id) as connection:
                    await connection.execute("SET LOCAL synchronous_commit = off")
                    for members, bucket in zip(pending, buckets, strict=True):
                        await _add_source(
                            connection,
                            tenant_id,
                            space_id=space_id,
                            members=members,
                            vectors=vectors,
                            bucket=int(bucket),
                        )
                pending = []
        await owner.execute("SET maintenance_work_mem = '1GB'")
        await owner.execute(definition)
        await owner.execute("VACUUM ANALYZE")
    finally:
        await owner.close()
    await asyncio.sleep(1)  # the checkpoint that follows is not part of anything measured


async def _add_source(
    connection: Connection,
    tenant_id: UUID,
    *,
    space_id: int,
    members: Sequence[tuple[int, BenchChunk]],
    vectors: NDArray[np.float32] | None,
    bucket: int,
) -> None:
    first = members[0][1]
    source_id = uuid4()
    metadata = {"bucket": bucket}
    await connection.execute(
        ADD_SOURCE, source_id, tenant_id, first.source, first.title, metadata, first.language
    )
    await connection.execute(ADD_VERSION, tenant_id, source_id, len(members))
    await scope.replace_attributes(connection, tenant_id, source_id, metadata)
    await scope.replace_readers(connection, tenant_id, source_id, [])
    texts = [chunk.text for _, chunk in members]
    rows = await connection.fetch(ADD_CHUNKS, tenant_id, source_id, texts, first.language)
    numbers = [row["number"] for row in rows]
    words = [
        ChunkWords.of(
            number,
            chunk.text,
            title=chunk.title,
            heading_path=chunk.headings,
            language=chunk.language,
        )
        for number, (_, chunk) in zip(numbers, members, strict=True)
    ]
    await search_index.add_words(connection, tenant_id, source_id, words)
    if vectors is not None:
        await search_index.add_vectors(
            connection,
            tenant_id,
            source_id,
            space_id=space_id,
            numbers=numbers,
            vectors=[vectors[at].tolist() for at, _ in members],
            text_digests=[sha256(chunk.text.encode()).digest() for _, chunk in members],
        )
