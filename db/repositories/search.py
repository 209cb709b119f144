"""The searchable sides of a chunk, and the two legs of hybrid search over them."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from db.pool import Connection
from rag.ports import Match, Passage, SearchScope

ADD_EMBEDDING = """
INSERT INTO chunk_embeddings (tenant_id, chunk_id, space_id, embedding) VALUES ($1, $2, $3, $4)
"""
# Title and headings are found by, but never quoted.
ADD_POSTINGS = """
INSERT INTO postings (tenant_id, lexeme, chunk_id, term_frequency)
SELECT d.tenant_id, t.lexeme, d.id, cardinality(t.positions)
FROM documents d
JOIN source_documents s ON s.id = d.source_id
CROSS JOIN LATERAL unnest(
    to_tsvector('english', concat_ws(' ', s.title, array_to_string(d.heading_path, ' '), d.text))
) t
WHERE d.source_id = $1 AND d.version = $2
"""
ADD_LENGTHS = """
INSERT INTO chunk_lengths (tenant_id, chunk_id, lexeme_count)
SELECT d.tenant_id, d.id, coalesce(sum(p.term_frequency), 0)
FROM documents d LEFT JOIN postings p ON p.chunk_id = d.id
WHERE d.source_id = $1 AND d.version = $2
GROUP BY d.tenant_id, d.id
"""
CLEAR = """
DELETE FROM {table} USING documents d
WHERE {table}.chunk_id = d.id AND d.source_id = $1 AND d.version <> $2
"""
SEARCHABLE_SIDES = ("chunk_embeddings", "postings", "chunk_lengths")

# The scope's predicates on source_documents s: $1 tenant, $2 groups, $3 source ids, $4 metadata.
IN_SCOPE = """
s.tenant_id = $1 AND (s.acl = '{}' OR s.acl && $2::text[])
AND (cardinality($3::text[]) = 0 OR s.source_document_id = ANY($3)) AND s.metadata @> $4::jsonb
"""
PASSAGE = """
d.id AS chunk_id, s.id AS document_id, s.source_document_id, d.version, s.title, s.uri, d.text,
d.start_char AS start, d.end_char AS "end", d.page, d.heading_path, d.chunk_index, d.token_count, s.metadata
"""
# Space and dimensions are integers of our own table: as constants they match the space's partial index.
BY_VECTOR = f"""
SELECT 1 - (e.embedding::halfvec(%(dimensions)d) <=> $5::halfvec(%(dimensions)d)) AS score, {PASSAGE}
FROM chunk_embeddings e
JOIN documents d ON d.id = e.chunk_id
JOIN source_documents s ON s.id = d.source_id
WHERE e.space_id = %(space)d AND e.tenant_id = $1 AND {IN_SCOPE}
ORDER BY e.embedding::halfvec(%(dimensions)d) <=> $5::halfvec(%(dimensions)d)
LIMIT $6
"""
# BM25 as Lucene scores it: idf = ln(1 + (N - df + 0.5) / (df + 0.5)), term part
# tf / (tf + k1 * (1 - b + b * length / average length)) with k1 = 1.2 and b = 0.75. The question's words
# are OR-ed; N, df and the average are the tenant's, whatever the filter.
BY_WORDS = f"""
WITH words AS MATERIALIZED (
    SELECT lexeme FROM unnest(tsvector_to_array(to_tsvector('english', $5))) AS lexeme
), corpus AS MATERIALIZED (
    SELECT count(*)::float AS size, greatest(avg(lexeme_count), 1)::float AS average_length
    FROM chunk_lengths WHERE tenant_id = $1
), hits AS MATERIALIZED (
    SELECT p.lexeme, p.chunk_id, p.term_frequency::float AS tf
    FROM postings p WHERE p.tenant_id = $1 AND p.lexeme = ANY (ARRAY(SELECT lexeme FROM words))
), weights AS (
    SELECT lexeme, ln(1 + (corpus.size - count(*) + 0.5) / (count(*) + 0.5)) AS idf
    FROM hits, corpus GROUP BY lexeme, corpus.size
), ranked AS (
    SELECT h.chunk_id,
           sum(w.idf * h.tf / (h.tf + 1.2 * (0.25 + 0.75 * l.lexeme_count / corpus.average_length))) AS score
    FROM hits h
    JOIN weights w USING (lexeme)
    JOIN chunk_lengths l USING (chunk_id)
    JOIN documents d ON d.id = h.chunk_id
    JOIN source_documents s ON s.id = d.source_id
    CROSS JOIN corpus
    WHERE {IN_SCOPE}
    GROUP BY h.chunk_id
    ORDER BY score DESC, h.chunk_id
    LIMIT $6
)
SELECT ranked.score, {PASSAGE}
FROM ranked
JOIN documents d ON d.id = ranked.chunk_id
JOIN source_documents s ON s.id = d.source_id
ORDER BY ranked.score DESC, ranked.chunk_id
"""


async def index_chunks(
    connection: Connection,
    tenant_id: UUID,
    *,
    document_id: UUID,
    version: int,
    space_id: int,
    embeddings: Sequence[tuple[UUID, Sequence[float]]],
) -> None:
    """Make one version of a source searchable and every other version of it not."""
    for table in SEARCHABLE_SIDES:
        await connection.execute(CLEAR.format(table=table), document_id, version)
    await connection.executemany(
        ADD_EMBEDDING, [(tenant_id, chunk_id, space_id, vector) for chunk_id, vector in embeddings]
    )
    await connection.execute(ADD_POSTINGS, document_id, version)
    await connection.execute(ADD_LENGTHS, document_id, version)


async def by_vector(
    connection: Connection,
    scope: SearchScope,
    vector: Sequence[float],
    limit: int,
    *,
    space_id: int,
    dimensions: int,
) -> list[Match]:
    """The nearest chunks by cosine; `score` is the cosine similarity, -1 to 1."""
    statement = BY_VECTOR % {"space": space_id, "dimensions": dimensions}
    return [_match(row) for row in await connection.fetch(statement, *_scope_values(scope), vector, limit)]


async def by_words(connection: Connection, scope: SearchScope, query: str, limit: int) -> list[Match]:
    """The best chunks by BM25 over the question's English lexemes; `score` is above 0, without a ceiling."""
    return [_match(row) for row in await connection.fetch(BY_WORDS, *_scope_values(scope), query, limit)]


def _match(row: asyncpg.Record) -> Match:
    fields = dict(row)
    score = fields.pop("score")
    return Match(Passage(**{**fields, "heading_path": tuple(fields["heading_path"])}), score)


def _scope_values(scope: SearchScope) -> tuple[UUID, list[str], list[str], dict[str, object]]:
    return scope.tenant_id, list(scope.groups), list(scope.source_document_ids), dict(scope.metadata)
