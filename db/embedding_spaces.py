"""Making, filling, switching and dropping embedding spaces. Needs the `owner` login: commands only.

Changing the model, while searches and ingestion go on:

1. `ensure_embedding_space` makes the new space, without an index.
2. `fill` embeds every chunk that has a vector in the active space; again, until nothing is missing.
3. `build_index` builds the HNSW index without locking anybody out.
4. `switch` waits for writers, fills what they have added meanwhile, and makes the new space the active one.
   Services follow within seconds; until then they search the old one, which is still whole.
5. `drop` removes the old space.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from uuid import UUID

import asyncpg
from pgvector import HalfVector

from db.addresses import Login
from db.migrate import locked
from db.pool import Database, connect
from db.repositories import spaces, tenants
from db.repositories.spaces import SWITCH_KEY, Space
from rag.errors import ConflictError, UnavailableError

BATCH = 64  # chunks embedded and written at a time
DELETED_AT_ONCE = 5000  # rows of a dropped space in one transaction

ADD_SPACE = """
INSERT INTO embedding_spaces (model, dimensions) VALUES ($1, $2)
ON CONFLICT (model, dimensions) DO UPDATE SET model = EXCLUDED.model RETURNING id
"""
ACTIVATE_FIRST = """
UPDATE embedding_spaces SET active = true
WHERE id = $1 AND (NOT EXISTS (SELECT FROM embedding_spaces WHERE active))
"""
DEACTIVATE = "UPDATE embedding_spaces SET active = false WHERE active AND id <> $1"
ACTIVATE = "UPDATE embedding_spaces SET active = true WHERE id = $1"
DELETE_SPACE = "DELETE FROM embedding_spaces WHERE id = $1"
# A partial index a space: each has its own dimensions.
INDEX = "chunk_embeddings_space_{space}"
ADD_INDEX = """
CREATE INDEX {concurrently} IF NOT EXISTS {name}
ON chunk_embeddings USING hnsw ((embedding::halfvec({dimensions})) halfvec_cosine_ops)
WITH (m = 16, ef_construction = 100) WHERE space_id = {space}
"""
IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"
MISSING = """
SELECT e.chunk_number, s.title, d.heading_path, d.text
FROM chunk_embeddings e
JOIN documents d ON d.number = e.chunk_number
JOIN source_documents s ON s.id = e.source_id
WHERE e.tenant_id = $1 AND e.space_id = $2 AND e.chunk_number > $4
  AND NOT EXISTS (SELECT FROM chunk_embeddings n WHERE n.chunk_number = e.chunk_number AND n.space_id = $3)
ORDER BY e.chunk_number LIMIT $5
"""
# A new version or a deletion of the source waits for this, and then removes what was added too.
LOCK_SOURCES = """
SELECT id FROM source_documents
WHERE id IN (SELECT source_id FROM chunk_embeddings WHERE chunk_number = ANY ($1) AND space_id = $2)
ORDER BY id FOR SHARE
"""
ADD_VECTORS = """
INSERT INTO chunk_embeddings (tenant_id, space_id, source_id, chunk_number, embedding, text_sha256)
SELECT $1, $3, e.source_id, e.chunk_number, v.embedding, v.text_sha256
FROM unnest($4::bigint[], $5::halfvec[], $6::bytea[]) AS v (chunk_number, embedding, text_sha256)
JOIN chunk_embeddings e ON e.chunk_number = v.chunk_number AND e.space_id = $2
ON CONFLICT (chunk_number, space_id) DO NOTHING
"""
DELETE_VECTORS = """
DELETE FROM chunk_embeddings WHERE (chunk_number, space_id) IN (
    SELECT chunk_number, space_id FROM chunk_embeddings WHERE tenant_id = $1 AND space_id = $2 LIMIT $3)
"""

LONGEST = """
SELECT coalesce(max(d.token_count), 0) FROM documents d JOIN chunk_terms t ON t.chunk_number = d.number
WHERE d.tenant_id = $1
"""

# The texts that chunks of one batch are embedded as, from title, heading path and text, and their vectors.
TextOf = Callable[[str, Sequence[str], str], str]
Embed = Callable[[list[str]], Awaitable[list[list[float]]]]


async def ensure_embedding_space(
    owner: Login, *, model: str, dimensions: int, take_over: bool = False
) -> int:
    """The id of the space of `(model, dimensions)`, made when it is new.

    The first one of a database is the active one, with `take_over` any: right only while nothing is stored.
    The active one gets its index here.
    """
    async with locked(owner) as connection:
        space: int = await connection.fetchval(ADD_SPACE, model, dimensions)
        if take_over:
            await connection.execute(DEACTIVATE, space)
        await connection.execute(ACTIVATE_FIRST, space)
        active = await spaces.active(connection)
        if active is not None and active.id == space:
            await connection.execute(_index(space, dimensions, concurrently=False))
        return space


async def fill(
    database: Database,
    old: Space,
    new: Space,
    *,
    text_of: TextOf,
    embed: Embed,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Embed what the old space has and the new one lacks; how many chunks.

    Args:
        database: Of all tenants.
        old: The space that is complete.
        new: The one to fill.
        text_of: What is embedded of a chunk.
        embed: The new model.
        progress: Called with the number of chunks done after each batch.

    Raises:
        UnavailableError: The database can't be reached.
        ModelError: The model failed; what was filled stays, and another call goes on from there.
    """
    done = 0
    for tenant_id in await _tenant_ids(database):
        async for numbers, texts in _missing(database, tenant_id, old, new, text_of):
            vectors = await embed(texts)
            await _add(database, tenant_id, old, new, numbers=numbers, texts=texts, vectors=vectors)
            done += len(numbers)
            progress(done)
    return done


async def _missing(
    database: Database, tenant_id: UUID, old: Space, new: Space, text_of: TextOf
) -> AsyncIterator[tuple[list[int], list[str]]]:
    after = 0
    while True:
        async with database.tenant(tenant_id) as connection:
            rows = await connection.fetch(MISSING, tenant_id, old.id, new.id, after, BATCH)
        if not rows:
            return
        yield (
            [row["chunk_number"] for row in rows],
            [text_of(row["title"], row["heading_path"], row["text"]) for row in rows],
        )
        after = rows[-1]["chunk_number"]


async def _add(
    database: Database,
    tenant_id: UUID,
    old: Space,
    new: Space,
    *,
    numbers: list[int],
    texts: list[str],
    vectors: list[list[float]],
) -> None:
    digests = [sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
    halves = [HalfVector(vector) for vector in vectors]
    async with database.tenant(tenant_id) as connection:
        await connection.execute(LOCK_SOURCES, numbers, old.id)
        await connection.execute(ADD_VECTORS, tenant_id, old.id, new.id, numbers, halves, digests)


async def longest_chunk(database: Database) -> int:
    """Tokens of the longest chunk that is searched; 0 when there is none."""
    longest = 0
    for tenant_id in await _tenant_ids(database):
        async with database.tenant(tenant_id) as connection:
            longest = max(longest, await connection.fetchval(LONGEST, tenant_id))
    return longest


async def build_index(owner: Login, space: Space) -> None:
    """Build the space's HNSW index while others read and write.

    Raises:
        UnavailableError: The server can't be reached, or refuses; a half-built index is dropped first.
    """
    name = INDEX.format(space=space.id)
    connection = await connect(owner)
    try:
        if await connection.fetchval(IS_VALID, name) is False:
            await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        await connection.execute(_index(space.id, space.dimensions, concurrently=True), timeout=None)
    except asyncpg.PostgresError as exc:
        raise UnavailableError(f"cannot build the index: {exc}") from exc
    finally:
        await connection.close()


async def switch(owner: Login, new: Space, *, fill_rest: Callable[[], Awaitable[int]]) -> None:
    """Make `new` the active space, complete at that moment. Writers wait meanwhile.

    Args:
        owner: The schema's login.
        new: A space that was filled and has its index.
        fill_rest: Fills what is still missing.

    Raises:
        UnavailableError: The server can't be reached.
    """
    async with _writers_waiting(owner) as connection:
        await fill_rest()
        async with connection.transaction():
            await connection.execute(DEACTIVATE, new.id)
            await connection.execute(ACTIVATE, new.id)


@asynccontextmanager
async def _writers_waiting(owner: Login) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await connect(owner)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", SWITCH_KEY)
        yield connection
    finally:
        await connection.close()  # ends the session, and with it the lock


async def drop(owner: Login, database: Database, space: Space) -> None:
    """Remove a space with its vectors and index.

    Raises:
        ConflictError: It is the active one.
        UnavailableError: The server can't be reached.
    """
    async with database.system() as system:
        active = await spaces.active(system)
    if active is not None and active.id == space.id:
        raise ConflictError(f"the space of {space.model} is the one that answers")
    connection = await connect(owner)
    try:
        await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX.format(space=space.id)}")
        for tenant_id in await _tenant_ids(database):
            await _delete_vectors(database, tenant_id, space)
        await connection.execute(DELETE_SPACE, space.id)
    finally:
        await connection.close()


async def _delete_vectors(database: Database, tenant_id: UUID, space: Space) -> None:
    while True:
        async with database.tenant(tenant_id) as connection:
            status = await connection.execute(DELETE_VECTORS, tenant_id, space.id, DELETED_AT_ONCE)
        if status == "DELETE 0":
            return


async def _tenant_ids(database: Database) -> list[UUID]:
    async with database.system() as connection:
        return await tenants.all_ids(connection)


def _index(space_id: int, dimensions: int, *, concurrently: bool) -> str:
    return ADD_INDEX.format(
        concurrently="CONCURRENTLY" if concurrently else "",
        name=INDEX.format(space=space_id),
        space=space_id,
        dimensions=dimensions,
    )
