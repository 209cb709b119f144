"""A linear reranker that was learned from what users did with answers: the half that serves.

Its file is JSON: the names of its features, and for each of them mean, scale and weight. It holds no text.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Self

import numpy as np
from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from rag.errors import InvalidInputError
from rag.models.rerank_features import FEATURES, Matrix, RerankCandidate, feature_matrix

MODEL_FILE = "model.json"
MAX_BYTES = 100_000  # some hundred features; a file of more is not one of ours

Numbers = Annotated[tuple[FiniteFloat, ...], Field(min_length=1)]


class RerankerWeights(BaseModel):
    """score = Σ weight · (feature − mean) / scale.

    Attributes:
        features: In the order of the other three.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    features: tuple[str, ...]
    mean: Numbers
    scale: Numbers
    weights: Numbers

    @model_validator(mode="after")
    def _fits_the_features(self) -> Self:
        if self.features != FEATURES:
            differing = sorted(set(self.features) ^ set(FEATURES)) or ["their order"]
            raise ValueError(f"it was made for other features: {', '.join(differing)}")
        if not len(self.mean) == len(self.scale) == len(self.weights) == len(FEATURES):
            raise ValueError(f"mean, scale and weights are not {len(FEATURES)} numbers each")
        if min(self.scale) <= 0:
            raise ValueError("a scale is not above 0")
        return self

    def contributions(self, features: Matrix) -> Matrix:
        """What each feature adds to each row's score: (n, f). They are the features' SHAP values."""
        added: Matrix = (features - np.array(self.mean)) / np.array(self.scale) * np.array(self.weights)
        return added

    def scores(self, features: Matrix) -> Matrix:
        """Of each row of features, (n,)."""
        scored: Matrix = self.contributions(features).sum(axis=1)
        return scored


def write_weights(weights: RerankerWeights) -> bytes:
    """The file of a model."""
    return weights.model_dump_json(indent=2).encode() + b"\n"


def read_weights(data: bytes, *, place: str) -> RerankerWeights:
    """The model of a file; `place` names it in messages.

    Raises:
        InvalidInputError: It is no such file, was made for other features, or holds what is no finite number.
    """
    if len(data) > MAX_BYTES:
        raise InvalidInputError(f"{place} is too large for a reranker's weights")
    try:
        return RerankerWeights.model_validate_json(data)
    except ValidationError as exc:
        error = exc.errors()[0]
        where = ".".join(map(str, error["loc"]))
        message = error["msg"].removeprefix("Value error, ")
        raise InvalidInputError(f"{place}: {where + ': ' if where else ''}{message}") from exc


class LearnedReranker(BaseDocumentCompressor):
    """Ranks passages by learned weights, in a few milliseconds and without a call to anywhere.

    The passages bring what the search knew of them in their metadata, as `rag.rerank` puts it there. All of
    them come back, best first, with a `relevance_score` between 0 and 1; of equal ones the first stays first.
    """

    weights: RerankerWeights

    def compress_documents(
        self,
        documents: Sequence[Document],
        query: str,
        callbacks: Callbacks | None = None,
    ) -> Sequence[Document]:
        features = feature_matrix(query, [_candidate(document) for document in documents])
        scores = 1 / (1 + np.exp(-self.weights.scores(features)))
        order = np.argsort(-scores, kind="stable")
        return [_scored(documents[at], float(scores[at])) for at in order]


def _candidate(document: Document) -> RerankCandidate:
    known: dict[str, Any] = document.metadata
    return RerankCandidate(
        text=document.page_content,
        title=known.get("title") or "",
        heading_path=tuple(known.get("heading_path") or ()),
        chunk_index=known.get("chunk_index") or 0,
        vector_rank=known.get("vector_rank"),
        vector_score=known.get("vector_score"),
        lexical_rank=known.get("lexical_rank"),
        lexical_score=known.get("lexical_score"),
        fused_score=known.get("fused_score") or 0.0,
    )


def _scored(document: Document, score: float) -> Document:
    metadata = {**document.metadata, "relevance_score": score}
    return Document(document.page_content, metadata=metadata)
