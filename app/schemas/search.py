"""What `/search` takes and gives."""

from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
)

from app.field_types import (
    Component,
    Flag,
    IsNumber,
    Query,
    Request,
    not_all_zero,
)
from app.filter_schema import Filters
from app.schemas.chat import RetrievedDocument
from rag.ports import RetrievedPassage
from rag.retrieve import Strategy


class SearchRequest(Request):
    query: Query
    filters: Filters = Filters()
    top_k: Annotated[int, Field(ge=1, le=50), IsNumber] | None = None
    strategy: Strategy = Strategy.AUTO
    vector: (
        Annotated[list[Component], Field(min_length=1, max_length=4000), AfterValidator(not_all_zero)] | None
    ) = Field(
        default=None, description="The query's vector, from the corpus' embedding model; spares computing it."
    )
    explain: Flag = False


class Ranks(BaseModel):
    """Places, from 1, in each leg, in their fusion, and by the reranker; null where it did not find it."""

    vector: int | None
    lexical: int | None
    fused: int
    rerank: int | None


class Scores(BaseModel):
    """Cosine similarity, BM25, fusion and reranker; both legs' scores, whichever leg found the passage."""

    vector: float | None
    lexical: float | None
    fused: float
    rerank: float | None


class SearchResult(RetrievedDocument):
    heading_path: list[str]
    ranks: Ranks
    scores: Scores

    @classmethod
    def of(cls, found: RetrievedPassage) -> Self:
        fields: dict[str, Any] = RetrievedDocument.of(found).model_dump()
        return cls(
            **fields,
            heading_path=list(found.passage.heading_path),
            ranks=Ranks(
                vector=found.vector_rank,
                lexical=found.lexical_rank,
                fused=found.fused_rank,
                rerank=found.rerank_rank,
            ),
            scores=Scores(
                vector=found.vector_score,
                lexical=found.lexical_score,
                fused=found.fused_score,
                rerank=found.rerank_score,
            ),
        )


class Plan(BaseModel):
    """What a search chose to do.

    With `exact`, every passage in scope was compared with the query; else the indexes' best were. `matches`
    counts the passages in scope as far as `exact_limit` + 1, which also stands for a scope of so many
    documents that its passages aren't counted; it is null when nothing narrowed the scope.
    """

    model_config = ConfigDict(from_attributes=True)

    exact: bool
    matches: int | None
    exact_limit: int
    corpus: int
    lexemes: list[str]


class Explanation(BaseModel):
    """Milliseconds for each step, and the plan."""

    timings_ms: dict[str, float]
    plan: Plan


class SearchResponse(BaseModel):
    request_id: str
    results: list[SearchResult]
    degraded: list[str]
    explanation: Explanation | None = None
