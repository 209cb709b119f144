"""Index anew the words of sources that were stored under another version of the text analysis."""

from uuid import UUID

import structlog

from db.pool import Database
from db.repositories import scope, search_index, tenants
from db.repositories.search_index import ANALYSIS_VERSION, ChunkWords
from rag.language import chunk_languages

log = structlog.get_logger(__name__)

# One at a time, skipping what another process has just taken.
NEXT = """
SELECT s.id, s.title, s.metadata, s.acl, s.current_version, v.text
FROM source_documents s
JOIN source_versions v ON v.source_id = s.id AND v.version = s.current_version
WHERE s.tenant_id = $1 AND s.analysis_version <> $2
ORDER BY s.id LIMIT 1 FOR UPDATE OF s SKIP LOCKED
"""
CHUNKS = """
SELECT number, text, heading_path FROM documents WHERE source_id = $1 AND version = $2 ORDER BY chunk_index
"""
SET_LANGUAGE = "UPDATE source_documents SET language = $2 WHERE id = $1"
SET_CHUNK_LANGUAGES = """
UPDATE documents d SET language = c.language
FROM unnest($1::bigint[], $2::text[]) AS c (number, language) WHERE d.number = c.number
"""


async def reindex_words(database: Database) -> int:
    """Bring every tenant's lexical index up to date; how many sources needed it. A source is a transaction.

    Raises:
        UnavailableError: The database can't be reached.
    """
    async with database.system() as connection:
        tenant_ids = await tenants.all_ids(connection)
    count = 0
    for tenant_id in tenant_ids:
        while await _reindex_next(database, tenant_id):
            count += 1
    if count:
        log.info("words_reindexed", sources=count)
    return count


async def _reindex_next(database: Database, tenant_id: UUID) -> bool:
    async with database.tenant(tenant_id) as connection:
        source = await connection.fetchrow(NEXT, tenant_id, ANALYSIS_VERSION)
        if source is None:
            return False
        await scope.replace_attributes(connection, tenant_id, source["id"], source["metadata"])
        await scope.replace_readers(connection, tenant_id, source["id"], source["acl"])
        chunks = await connection.fetch(CHUNKS, source["id"], source["current_version"])
        language, languages = chunk_languages(source["text"], [chunk["text"] for chunk in chunks])
        await connection.execute(SET_LANGUAGE, source["id"], language)
        numbers = [chunk["number"] for chunk in chunks]
        await connection.execute(SET_CHUNK_LANGUAGES, numbers, languages)
        words = [
            ChunkWords.of(
                chunk["number"],
                chunk["text"],
                title=source["title"],
                heading_path=chunk["heading_path"],
                language=chunk_language,
            )
            for chunk, chunk_language in zip(chunks, languages, strict=True)
        ]
        await search_index.remove_words(connection, source["id"])
        await search_index.add_words(connection, tenant_id, source["id"], words)
        await tenants.advance_corpus_version(connection, tenant_id)
        return True
