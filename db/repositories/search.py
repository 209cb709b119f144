"""Running a hybrid search: from the domain's query to the statement's parameters, from rows to passages."""

from typing import Any

import asyncpg

from db.pool import Connection
from db.repositories.filters import NOTHING_MORE, CompiledFilter, compile_filter
from db.repositories.scope import EVERYONE
from db.repositories.search_statement import FILTER_PARAMETER, Shape, build_statement
from rag.ports import Findings, Passage, RetrievedPassage, SearchPlan, SearchQuery, SearchScope

PLAN_FIELDS = ("exact", "matches", "exact_limit", "corpus", "lexemes")
FOUND_FIELDS = ("score", "vector_rank", "lexical_rank", "vector_score", "lexical_score")


async def search(
    connection: Connection, scope: SearchScope, query: SearchQuery, *, space_id: int, dimensions: int
) -> Findings:
    """The best passages in scope.

    Raises:
        ValueError: Neither a vector nor words are given.
    """
    compiled = (
        compile_filter(scope.filter, source="m.source_id", first=FILTER_PARAMETER) if scope.filter else None
    )
    shape = search_shape(query, compiled, space_id=space_id, dimensions=dimensions)
    statement = build_statement(shape)
    rows = await connection.fetch(statement, *search_values(scope, query, compiled))
    found = [row for row in rows if row["chunk_id"] is not None]
    return Findings([_found(rank, row) for rank, row in enumerate(found, start=1)], _plan(rows[0]))


def search_shape(
    query: SearchQuery, compiled: CompiledFilter | None, *, space_id: int, dimensions: int
) -> Shape:
    """What the statement of this search looks like; a search needs a vector or words."""
    if query.vector is None and query.words is None:
        raise ValueError("a search needs a vector or words")
    return Shape(
        vector=query.vector is not None,
        lexical=query.words is not None,
        space_id=space_id,
        dimensions=dimensions,
        driver=compiled.driver if compiled else None,
        remainder=compiled.remainder if compiled else NOTHING_MORE,
        condition=compiled.condition if compiled else None,
        exact=query.exact,
    )


def search_values(scope: SearchScope, query: SearchQuery, compiled: CompiledFilter | None) -> tuple[Any, ...]:
    """The statement's parameters, in order."""
    return (
        scope.tenant_id,
        [EVERYONE, *scope.groups],
        query.vector,
        query.words,
        query.candidates,
        query.limit,
        query.fusion.method.value,
        query.fusion.vector_weight,
        *(compiled.values if compiled else ()),
    )


def _plan(row: asyncpg.Record) -> SearchPlan:
    return SearchPlan(**{field: row[field] for field in PLAN_FIELDS[:-1]}, lexemes=tuple(row["lexemes"]))


def _found(rank: int, row: asyncpg.Record) -> RetrievedPassage:
    fields = dict(row)
    for name in PLAN_FIELDS:
        del fields[name]
    ranking = {name: fields.pop(name) for name in FOUND_FIELDS}
    passage = Passage(**{**fields, "heading_path": tuple(fields["heading_path"])})
    return RetrievedPassage(passage, fused_rank=rank, fused_score=ranking["score"], **ranking)
