"""What is counted and logged of answers and searches."""

import time
from collections.abc import Iterable, Mapping, Sequence

import structlog

from app.schemas.chat import ChatResponse
from observability.metrics import Metrics
from observability.registry import (
    ANSWERS,
    CACHE_LOOKUPS,
    DEGRADED,
    FIRST_TOKEN,
    RETRIEVAL_SCORE,
    RETRIEVALS,
    STAGE_DURATION,
)
from rag.ports import RetrievedPassage

log = structlog.get_logger(__name__)

MS = 1000


class AnswerRecorder:
    """Tells of answers.

    Args:
        metrics: Count them.
        log_text: Whether the log may hold question and answer.
    """

    def __init__(self, metrics: Metrics | None = None, *, log_text: bool = False) -> None:
        self._metrics = metrics or Metrics(enabled=False)
        self._log_text = log_text

    def looked_up_curated(self, *, found: bool) -> None:
        self._metrics.count(CACHE_LOOKUPS, cache="curated", result="hit" if found else "miss")

    def released_first(self, began: float) -> None:
        """The first sentence of an answer that began then, by `time.perf_counter`."""
        self._metrics.observe(FIRST_TOKEN, time.perf_counter() - began)

    def answered(
        self, response: ChatResponse, *, question: str, passages: Sequence[RetrievedPassage]
    ) -> None:
        outcome = "curated" if response.curated else "abstained" if response.abstained else "answered"
        self._metrics.count(ANSWERS, outcome=outcome)
        record_stages(self._metrics, response.timings_ms, response.degraded)
        if not response.curated:
            record_retrieval(self._metrics, passages)
        texts = {"question": question, "answer": response.answer} if self._log_text else {}
        log.info(
            "answer_ended",
            outcome=outcome,
            model=response.model_name,
            degraded=response.degraded,
            sources=len(response.retrieved_documents),
            citations=len(response.citations),
            prompt_tokens=response.usage.prompt_tokens,
            completion_tokens=response.usage.completion_tokens,
            cost_usd=response.usage.cost_usd,
            timings_ms={**response.timings_ms, "total": response.latency_ms},
            **texts,
        )

    def failed(self, error: str) -> None:
        outcome = "client_closed" if error == "client_closed" else "failed"
        self._metrics.count(ANSWERS, outcome=outcome)
        log.warning("answer_failed", error=error)


def record_stages(metrics: Metrics, timings_ms: Mapping[str, float], degraded: Iterable[str]) -> None:
    """How long each stage took, and which fell back: "generate:<model>" is of the stage "generate"."""
    for stage, milliseconds in timings_ms.items():
        metrics.observe(STAGE_DURATION, milliseconds / MS, stage=stage)
    for each in degraded:
        metrics.count(DEGRADED, stage=each.partition(":")[0])


def record_retrieval(metrics: Metrics, passages: Sequence[RetrievedPassage]) -> None:
    """Whether anything was found, and how near the nearest is."""
    metrics.count(RETRIEVALS, result="found" if passages else "empty")
    scores = [passage.vector_score for passage in passages if passage.vector_score is not None]
    if scores:
        metrics.observe(RETRIEVAL_SCORE, max(scores))
