"""Choosing how the legs of a search are fused, from judged questions, by cross-validation.

A choice that is measured on the questions it was made from looks better than it is. So it is made on all
folds but one and measured on that one, for each fold in turn; the gain over the current fusion is judged by a
paired bootstrap over the questions.
"""

import re
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from eval.metrics import Interval, bootstrap_interval, ndcg, recall
from rag.candidates import CandidateChunk, CandidatePool, rank_pool
from rag.errors import InvalidInputError
from rag.fuse import Fusion, FusionMethod

GRID = tuple(Fusion(method, step / 20) for method in FusionMethod for step in range(21))
SAME = 1e-12  # means that differ by less are equal, but for rounding
MAX_DEPTH = 50  # as many as a search returns


class Measure(StrEnum):
    NDCG = "ndcg"
    RECALL = "recall"


MEASURES: dict[Measure, Callable[..., float]] = {Measure.NDCG: ndcg, Measure.RECALL: recall}


@dataclass(frozen=True, slots=True)
class Metric:
    """A measure of a ranking's first places, such as `ndcg@10`."""

    measure: Measure
    depth: int

    @classmethod
    def parse(cls, name: str) -> "Metric":
        """The metric of that name.

        Raises:
            InvalidInputError: There is none.
        """
        found = re.fullmatch(r"(ndcg|recall)@([1-9]\d?)", name)
        if not found or int(found[2]) > MAX_DEPTH:
            raise InvalidInputError(f"{name!r} is no metric: write ndcg@10 or recall@5, up to @{MAX_DEPTH}")
        return cls(Measure(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.measure}@{self.depth}"

    def of(self, ranking: Sequence[CandidateChunk], relevant: AbstractSet[str]) -> float:
        return MEASURES[self.measure](find_hits(ranking, relevant), len(relevant), depth=self.depth)


@dataclass(frozen=True, slots=True)
class JudgedPool:
    """What a search for a question chooses among, and what it should find, which isn't empty."""

    pool: CandidatePool
    relevant: frozenset[str]


@dataclass(frozen=True, slots=True)
class Tuning:
    """What cross-validation found.

    Attributes:
        current: The fusion in use, and its mean on all questions.
        best: The best on all questions, and its mean there: flattering, as it was chosen for it.
        held_out: Mean of the folds' choices, each on the fold that it was not chosen on.
        gain: The mean of `held_out` less that of `current`, question by question.
        chosen: Each fold's choice.
    """

    current: Fusion
    current_mean: float
    best: Fusion
    best_mean: float
    held_out: float
    gain: Interval
    chosen: tuple[Fusion, ...]

    @property
    def recommended(self) -> bool:
        """Whether to change from the current fusion to the best one."""
        return self.gain.low > 0 and self.best != self.current


def find_hits(ranking: Sequence[CandidateChunk], relevant: AbstractSet[str]) -> list[bool]:
    """Whether each place has something relevant that no better place had.

    A chunk counts for its own id or for its source's name, one of them: a source's second chunk is no hit.
    """
    missing = set(relevant)
    hits = []
    for chunk in ranking:
        found = next((i for i in (str(chunk.chunk_id), chunk.source_document_id) if i in missing), None)
        hits.append(found is not None)
        missing.discard(found or "")
    return hits


def measure_fusions(
    judged: Sequence[JudgedPool], fusions: Sequence[Fusion], metric: Metric
) -> NDArray[np.float64]:
    """The metric for each fusion (row) and question (column)."""
    return np.array(
        [
            [metric.of(rank_pool(j.pool, fusion, limit=metric.depth), j.relevant) for j in judged]
            for fusion in fusions
        ]
    )


def tune_fusion(
    judged: Sequence[JudgedPool], current: Fusion, metric: Metric, *, folds: int = 5, seed: int = 0
) -> Tuning:
    """Compare the current fusion with what cross-validation chooses of `GRID`.

    Args:
        judged: One for each question.
        current: What is in use.
        metric: What to choose by.
        folds: At least 2, and no more than there are questions.
        seed: Of the division into folds and of the bootstrap; the same seed gives the same result.

    Raises:
        InvalidInputError: So many folds don't fit.
    """
    if not 2 <= folds <= len(judged):  # noqa: PLR2004 - one to choose on, one to measure on
        raise InvalidInputError(f"{len(judged)} questions can't be divided into {folds} folds, of at least 2")
    fusions = (current, *(fusion for fusion in GRID if fusion != current))
    scores = measure_fusions(judged, fusions, metric)
    held_out = np.empty(len(judged))
    chosen = []
    for fold in np.array_split(np.random.default_rng(seed).permutation(len(judged)), folds):
        choice = best_row(np.delete(scores, fold, axis=1))
        held_out[fold] = scores[choice, fold]
        chosen.append(fusions[choice])
    best = best_row(scores)
    gains = held_out - scores[0]
    return Tuning(
        current=current,
        current_mean=float(scores[0].mean()),
        best=fusions[best],
        best_mean=float(scores[best].mean()),
        held_out=float(held_out.mean()),
        gain=bootstrap_interval(lambda drawn: float(gains[drawn].mean()), len(judged), seed=seed),
        chosen=tuple(chosen),
    )


def best_row(scores: NDArray[np.float64]) -> int:
    """The row with the highest mean: of equal ones the first row of all, else the one in their middle.

    Neighbouring weights often rank alike; the middle of such a plateau is the safest from its edges.
    """
    means = scores.mean(axis=1)
    equal = np.flatnonzero(means >= means.max() - SAME)
    return 0 if equal[0] == 0 else int(equal[len(equal) // 2])
