"""The searchable sides of chunks: their vectors, and their words as BM25 needs them.

Only current versions are in here. The postings and the statistics of a tenant's words follow from
`chunk_terms` by triggers, on every path that adds or removes a chunk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from pgvector import HalfVector

from db.pool import Connection
from rag.analysis import analyse, configuration_of, fingerprint

ANALYSIS_VERSION = 1  # of `rag.analysis`: raise it when what `analyse` gives changes

REMOVE_VECTORS = "DELETE FROM chunk_embeddings WHERE source_id = $1"
REMOVE_WORDS = "DELETE FROM chunk_terms WHERE source_id = $1"
ADD_VECTORS = """
INSERT INTO chunk_embeddings (tenant_id, space_id, source_id, chunk_number, embedding, text_sha256)
SELECT $1, $2, $3, v.chunk_number, v.embedding, v.text_sha256
FROM unnest($4::bigint[], $5::halfvec[], $6::bytea[]) AS v (chunk_number, embedding, text_sha256)
"""
KNOWN_VECTORS = """
SELECT w.digest, e.embedding
FROM unnest($3::bytea[]) AS w (digest)
CROSS JOIN LATERAL (
    SELECT embedding FROM chunk_embeddings
    WHERE tenant_id = $1 AND space_id = $2 AND text_sha256 = w.digest LIMIT 1
) e
"""
LOCK = "SELECT lock_lexical_index($1)"
# A lexeme gets the tenant's next number when it is first seen. The lock above makes that safe.
ADD_WORDS = """
WITH analysed AS MATERIALIZED (
    SELECT c.chunk_number, t.lexeme, least(cardinality(t.positions), 32767)::smallint AS frequency
    FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[])
        AS c (chunk_number, configuration, heading, text)
    CROSS JOIN LATERAL unnest(to_tsvector(c.configuration::regconfig, c.heading || ' ' || c.text)) AS t
), distinct_lexemes AS MATERIALIZED (
    SELECT DISTINCT lexeme COLLATE "C" AS lexeme FROM analysed
), known AS MATERIALIZED (
    SELECT lexeme, l.number FROM distinct_lexemes
    CROSS JOIN LATERAL (
        SELECT number FROM lexemes WHERE tenant_id = $1 AND lexemes.lexeme = distinct_lexemes.lexeme OFFSET 0
    ) l
), added AS (
    INSERT INTO lexemes (tenant_id, lexeme, number, chunk_count)
    SELECT $1, lexeme,
           (SELECT coalesce(max(number), 0) FROM lexemes WHERE tenant_id = $1) + row_number() OVER (), 0
    FROM (SELECT lexeme FROM distinct_lexemes EXCEPT SELECT lexeme FROM known) n
    RETURNING lexeme, number
), terms AS (
    SELECT chunk_number, sum(frequency) AS length, array_agg(number ORDER BY number) AS lexemes,
           array_agg(frequency ORDER BY number) AS frequencies
    FROM analysed JOIN (SELECT * FROM known UNION ALL SELECT * FROM added) USING (lexeme)
    GROUP BY chunk_number
), marked AS (
    UPDATE source_documents SET analysis_version = $8 WHERE id = $2
)
INSERT INTO chunk_terms (tenant_id, source_id, chunk_number, configuration, length, lexemes, frequencies,
                         fingerprint)
SELECT $1, $2, c.chunk_number, c.configuration, coalesce(terms.length, 0),
       coalesce(terms.lexemes, '{}'), coalesce(terms.frequencies, '{}'), c.fingerprint
FROM unnest($3::bigint[], $4::text[], $7::bigint[]) AS c (chunk_number, configuration, fingerprint)
LEFT JOIN terms USING (chunk_number)
"""


@dataclass(frozen=True, slots=True)
class ChunkWords:
    """A chunk for lexical search: title and headings, and text, analysed, and how to stem them.

    The fingerprint is the same for texts that differ in case and white space alone.
    """

    chunk_number: int
    configuration: str
    heading: str
    text: str
    fingerprint: int

    @classmethod
    def of(
        cls, number: int, text: str, *, title: str, heading_path: Sequence[str], language: str | None
    ) -> Self:
        """Title and headings are found by, but never quoted."""
        heading = analyse(" ".join([title, *heading_path]))
        return cls(number, configuration_of(language), heading, analyse(text), fingerprint(text))


async def remove_vectors(connection: Connection, source_id: UUID) -> None:
    await connection.execute(REMOVE_VECTORS, source_id)


async def remove_words(connection: Connection, source_id: UUID) -> None:
    await connection.execute(REMOVE_WORDS, source_id)


async def add_vectors(
    connection: Connection,
    tenant_id: UUID,
    source_id: UUID,
    *,
    space_id: int,
    numbers: Sequence[int],
    vectors: Sequence[Sequence[float]],
    text_digests: Sequence[bytes],
) -> None:
    """Make chunks, given by number, findable by their vectors.

    Args:
        connection: In a tenant's transaction.
        tenant_id: The tenant.
        source_id: The source that the chunks are of.
        space_id: The embedding space that the vectors are in.
        numbers: Of the chunks.
        vectors: One for each chunk.
        text_digests: For each chunk, the SHA-256 of the text that was embedded.
    """
    halves = [HalfVector(list(vector)) for vector in vectors]
    await connection.execute(
        ADD_VECTORS, tenant_id, space_id, source_id, list(numbers), halves, list(text_digests)
    )


async def known_vectors(
    connection: Connection, tenant_id: UUID, *, space_id: int, text_digests: Sequence[bytes]
) -> dict[bytes, list[float]]:
    """Vectors of texts that the tenant has embedded before, by the text's digest."""
    rows = await connection.fetch(KNOWN_VECTORS, tenant_id, space_id, list(text_digests))
    return {row["digest"]: row["embedding"].to_list() for row in rows}


async def add_words(
    connection: Connection, tenant_id: UUID, source_id: UUID, chunks: Sequence[ChunkWords]
) -> None:
    """Make all chunks of a source's current version findable by their words.

    Holds the tenant's lock on its lexical index until the transaction ends.
    """
    await connection.execute(LOCK, tenant_id)
    await connection.execute(
        ADD_WORDS,
        tenant_id,
        source_id,
        [chunk.chunk_number for chunk in chunks],
        [chunk.configuration for chunk in chunks],
        [chunk.heading for chunk in chunks],
        [chunk.text for chunk in chunks],
        [chunk.fingerprint for chunk in chunks],
        ANALYSIS_VERSION,
    )
