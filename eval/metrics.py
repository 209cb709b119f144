"""Pure measures of answers and rankings, and their uncertainty."""

import math
import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and the bounds of its confidence interval."""

    value: float
    low: float
    high: float


def normalise_answer(text: str) -> str:
    """SQuAD's normalisation: lower case, no punctuation, no articles, single spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def contains_answer(quote: str, gold_answers: Iterable[str]) -> bool:
    """Whether one of the gold answers stands in the quote, both normalised. An empty answer never does."""
    normalised = normalise_answer(quote)
    golds = map(normalise_answer, gold_answers)
    return any(gold and gold in normalised for gold in golds)


def auroc(scores: Sequence[float] | NDArray[np.float64], labels: Sequence[bool] | NDArray[np.bool_]) -> float:
    """Chance that a positive scores above a negative, ties counting half (Mann-Whitney U / (n₁ n₀)).

    Raises:
        ValueError: All labels are the same.
    """
    values, positive = np.asarray(scores, float), np.asarray(labels, bool)
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if n_positive == 0 or n_negative == 0:
        raise ValueError("auroc needs positives and negatives")
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]  # ties share their mean rank
    u = float(ranks[positive].sum()) - n_positive * (n_positive + 1) / 2
    return u / (n_positive * n_negative)


def rank_by_score(scores: Mapping[str, float]) -> list[str]:
    """The documents, best first; of equal ones the last by name comes first, as trec_eval has it."""
    return sorted(sorted(scores, reverse=True), key=lambda name: -scores[name])


def gains(ranking: Iterable[str], judgments: Mapping[str, int]) -> list[int]:
    """The grade of each document's best place, best first; one that wasn't judged counts as irrelevant."""
    return [max(0, judgments.get(name, 0)) for name in dict.fromkeys(ranking)]


def graded_ndcg(gains: Sequence[float], grades: Iterable[float], *, depth: int) -> float:
    """Normalised discounted cumulative gain (Järvelin and Kekäläinen, ACM TOIS 2002), as trec_eval has it.

    DCG = Σ_places gain / log2(1 + place), divided by that of the best ranking there can be.

    Args:
        gains: Of each place of the ranking, best first.
        grades: Of all that is judged, one of them above 0.
        depth: How many places count.
    """
    return _discounted(gains[:depth]) / _discounted(sorted(grades, reverse=True)[:depth])


def _discounted(gains: Iterable[float]) -> float:
    return sum(max(0, gain) / math.log2(1 + place) for place, gain in enumerate(gains, start=1))


def ndcg(hits: Sequence[bool], relevant: int, *, depth: int) -> float:
    """`graded_ndcg` with gains of 0 and 1.

    Args:
        hits: Whether each place of the ranking, best first, has something relevant.
        relevant: How much that is relevant there is, at least 1.
        depth: How many places count.
    """
    return graded_ndcg(hits, [True] * relevant, depth=depth)


def recall(hits: Sequence[float], relevant: int, *, depth: int) -> float:
    """The share of what is relevant, at least 1, in the first places; hits may be gains."""
    return sum(hit > 0 for hit in hits[:depth]) / relevant


def precision(hits: Sequence[float], *, depth: int) -> float:
    """The share of the first places with something relevant; a place that the ranking lacks has nothing."""
    return sum(hit > 0 for hit in hits[:depth]) / depth


def hit_rate(hits: Sequence[float], *, depth: int) -> float:
    """1 if something relevant is in the first places (success at k), else 0."""
    return float(any(hit > 0 for hit in hits[:depth]))


def reciprocal_rank(hits: Sequence[float], *, depth: int) -> float:
    """1 / the first place with something relevant, 0 if there is none; its mean is MRR (Voorhees, TREC-8)."""
    return next((1 / place for place, hit in enumerate(hits[:depth], start=1) if hit > 0), 0.0)


def bootstrap_interval(
    statistic: Callable[[NDArray[np.intp]], float],
    size: int,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The percentile bootstrap (Efron, 1979).

    Args:
        statistic: The figure computed on the items of these indices.
        size: How many items there are.
        resamples: How often the items are drawn with replacement.
        confidence: Share of the resampled figures that the interval holds.
        seed: Of the draws; the same seed gives the same interval.
    """
    draws = np.random.default_rng(seed)
    values = [statistic(draws.integers(0, size, size)) for _ in range(resamples)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(statistic(np.arange(size)), float(low), float(high))
