"""All that a search chooses among, before fusion and before copies are left out."""

from collections.abc import Iterable
from uuid import UUID

from db.pool import Connection
from db.repositories.search import search_shape, search_values
from db.repositories.search_statement import (
    FOUND,
    NEAR,
    NEAR_KEPT,
    NEAR_PLACES,
    WANTED,
    build_statement,
)
from rag.candidates import CandidateChunk, CandidatePool
from rag.fuse import Candidate
from rag.ports import SearchQuery, SearchScope

# Stands in place of the search statement's own end, behind the same candidates.
POOL = f"""
SELECT p.chunk_number, d.id AS chunk_id, s.source_document_id, p.vector_rank, p.lexical_rank,
       p.similarity AS vector_score, p.vector, p.bm25 AS lexical_score, lexical_bound.total AS lexical_bound,
       p.fingerprint, ARRAY(
           SELECT better.chunk_number FROM candidates better
           WHERE better.chunk_number <> p.chunk_number AND {NEAR}
       ) AS near
FROM candidates p
CROSS JOIN lexical_bound
JOIN documents d ON d.number = p.chunk_number
JOIN source_documents s ON s.id = d.source_id
ORDER BY p.chunk_number
"""
# Names of sources and ids of chunks, of current versions that these groups may read.
KNOWN = """
SELECT s.source_document_id AS id FROM source_documents s
WHERE s.tenant_id = $1 AND s.source_document_id = ANY ($3::text[]) AND (s.acl = '{}' OR s.acl && $2::text[])
UNION
SELECT d.id::text FROM documents d
JOIN source_documents s ON s.id = d.source_id AND s.current_version = d.version
WHERE d.id = ANY ($4::uuid[]) AND d.tenant_id = $1 AND (s.acl = '{}' OR s.acl && $2::text[])
"""
END = FOUND % {"lexemes": WANTED}


async def find_pool(
    connection: Connection, scope: SearchScope, query: SearchQuery, *, space_id: int, dimensions: int
) -> CandidatePool:
    """What a search by both legs, without a filter, chooses among.

    Raises:
        ValueError: The vector or the words are missing, or there is a filter.
    """
    if query.vector is None or query.words is None or scope.filter:
        raise ValueError("candidates are found by both legs, without a filter")
    shape = search_shape(query, None, space_id=space_id, dimensions=dimensions)
    statement = build_statement(shape).removesuffix(END) + POOL
    rows = await connection.fetch(statement, *search_values(scope, query, None))
    chunks = tuple(
        CandidateChunk(
            number=row["chunk_number"],
            chunk_id=row["chunk_id"],
            source_document_id=row["source_document_id"],
            legs=Candidate(
                row["vector_rank"],
                row["lexical_rank"],
                row["vector_score"],
                row["lexical_score"],
                tuple(row["vector"].to_list()) if row["vector"] else None,
            ),
            fingerprint=row["fingerprint"],
            near=frozenset(row["near"]),
        )
        for row in rows
    )
    return CandidatePool(
        chunks,
        rows[0]["lexical_bound"] if rows else 0.0,
        near_kept=NEAR_KEPT,
        near_places=NEAR_PLACES,
    )


async def find_known(connection: Connection, scope: SearchScope, ids: Iterable[str]) -> frozenset[str]:
    """Which of these names of sources and ids of chunks a search could find."""
    wanted = sorted(set(ids))
    chunk_ids = [chunk_id for text in wanted if (chunk_id := _uuid(text))]
    rows = await connection.fetch(KNOWN, scope.tenant_id, list(scope.groups), wanted, chunk_ids)
    return frozenset(row["id"] for row in rows) & frozenset(wanted)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
