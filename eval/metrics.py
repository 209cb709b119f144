"""Pure measures of answers and rankings, and their uncertainty."""

import math
import re
import string
from collections.abc import Callable, Iterable, Sequence
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


def ndcg(hits: Sequence[bool], relevant: int, *, depth: int) -> float:
    """Normalised discounted cumulative gain (Järvelin and Kekäläinen, ACM TOIS 2002) with gains of 0 and 1.

    Args:
        hits: Whether each place of the ranking, best first, has something relevant.
        relevant: How much that is relevant there is, at least 1.
        depth: How many places count.
    """
    gain = sum(1 / math.log2(1 + place) for place, hit in enumerate(hits[:depth], start=1) if hit)
    ideal = sum(1 / math.log2(1 + place) for place in range(1, min(relevant, depth) + 1))
    return gain / ideal


def recall(hits: Sequence[bool], relevant: int, *, depth: int) -> float:
    """The share of what is relevant, at least 1, in the first places."""
    return sum(hits[:depth]) / relevant


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
