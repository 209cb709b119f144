"""Whether questions, the scores of what they find, and the groundedness of answers are as they used to be.

The first REFERENCE questions say what is usual. From then on each BLOCK of questions is compared with them by

- the squared distance of the mean embedding: without drift its expectation is tr(S)(1/n + 1/m) and its
  variance 2 tr(S^2)(1/n + 1/m)^2, with S the covariance of the reference, n and m the sizes of both;
- the population stability index, sum of (p - q) ln(p / q), over clusters of questions and over bins of the
  best passage's similarity: (K - 1)(1/n + 1/m) and 2(K - 1)(1/n + 1/m)^2 for K bins (Yurdakul, "Statistical
  properties of population stability index", 2018);
- the share of answers with low groundedness, among those that were scored: a binomial's.

Each becomes a standard score: of the last block, of the last two together, and so on up to WINDOW blocks, as
a great shift is told by few questions and a small one by many. The largest of these raises an alarm above
LIMIT (a generalised likelihood ratio with a window: Lai, "Sequential changepoint detection in quality control
and dynamical systems", 1995). The benchmark of drift shows what that gives. After an alarm, what comes next
is the new usual.

All of it is counts, sums and means: no question or answer can be read out of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from feedback.quality.projection import DIMENSIONS

REFERENCE = 1000  # questions
BLOCK = 100
CLUSTERS = 16
# Edges of the bins of cosine similarity. Below the first and above the last there is a bin each.
SCORE_EDGES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
WINDOW = 5  # blocks
LIMIT = 11.0  # standard deviations; so many, as what is asked differs a little from day to day anyway
LOW_GROUNDEDNESS = 0.5  # of an answer that is rather not supported than supported
MIN_SCORED = 5  # answers of a block, for their share to say something

Vectors = NDArray[np.float64]


class Monitored(StrEnum):
    """What is compared."""

    QUESTION_MEAN = "question_mean"
    QUESTION_CLUSTERS = "question_clusters"
    RETRIEVAL_SCORES = "retrieval_scores"
    GROUNDEDNESS = "groundedness"


@dataclass(frozen=True, slots=True)
class Observation:
    """One question.

    Attributes:
        vector: Projected.
        score: Cosine similarity of the best passage; None where there was none.
        groundedness: Of the answer, 0 to 1; None for one that was not scored.
    """

    vector: Vectors
    score: float | None
    groundedness: float | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is no longer as it was.

    Attributes:
        statistic: The standard score that passed its limit.
        value: Squared distance, population stability index, or share.
        usual: What it would be without drift.
        questions: Observed since the reference was complete.
    """

    monitored: Monitored
    statistic: float
    value: float
    usual: float
    questions: int


@dataclass(slots=True)
class Tally:
    """Sums over questions."""

    count: int = 0
    total: Vectors = field(default_factory=lambda: np.zeros(DIMENSIONS))
    clusters: Vectors = field(default_factory=lambda: np.zeros(CLUSTERS))
    scores: Vectors = field(default_factory=lambda: np.zeros(len(SCORE_EDGES) + 1))
    scored: int = 0
    low: int = 0


@dataclass(slots=True)
class DriftState:
    """What is known of a tenant's questions; of a fixed size.

    Attributes:
        centroids: Of the clusters, learned from the first half of the reference.
        sizes: Questions that each centroid was learned from.
        reference: Of the usual. Its clusters are counted over the second half only.
        products: Sum of the reference's outer products.
        recent: Of the last blocks, oldest first; the last is being filled.
        statistics: The largest standard scores at the last comparison, in the order of Monitored.
        compared: Questions since the reference was complete.
    """

    centroids: Vectors = field(default_factory=lambda: np.zeros((CLUSTERS, DIMENSIONS)))
    sizes: Vectors = field(default_factory=lambda: np.zeros(CLUSTERS))
    reference: Tally = field(default_factory=Tally)
    products: Vectors = field(default_factory=lambda: np.zeros((DIMENSIONS, DIMENSIONS)))
    recent: list[Tally] = field(default_factory=lambda: [Tally()])
    statistics: Vectors = field(default_factory=lambda: np.zeros(len(Monitored)))
    compared: int = 0

    def observe(self, observations: Sequence[Observation]) -> list[Alarm]:
        """Take questions in, in their order; what they set off."""
        return [alarm for observation in observations for alarm in self._observe(observation)]

    def _observe(self, one: Observation) -> list[Alarm]:
        if self.reference.count < REFERENCE:
            if self.reference.count < REFERENCE // 2:
                self._learn(one.vector)
                _count(self.reference, one, None)
            else:
                _count(self.reference, one, self._nearest(one.vector))
            self.products += np.outer(one.vector, one.vector)
            return []
        _count(self.recent[-1], one, self._nearest(one.vector))
        self.compared += 1
        return self._compare() if self.recent[-1].count >= BLOCK else []

    def _learn(self, vector: Vectors) -> None:
        """Sequential k-means (MacQueen, 1967): the first questions are the first centroids."""
        empty = np.flatnonzero(self.sizes == 0)
        at = int(empty[0]) if len(empty) else self._nearest(vector)
        self.sizes[at] += 1
        self.centroids[at] += (vector - self.centroids[at]) / self.sizes[at]

    def _nearest(self, vector: Vectors) -> int:
        return int(((self.centroids - vector) ** 2).sum(1).argmin())

    def _compare(self) -> list[Alarm]:
        joined = list(accumulate(reversed(self.recent), merged))  # the last block, the last two, …
        rows = [compare(window, self.reference, self.products) for window in joined]
        largest = [max((row[at] for row in rows), key=lambda each: each.z) for at in range(len(Monitored))]
        self.statistics = np.array([each.z for each in largest])
        self.recent = [*self.recent[1 - WINDOW :], Tally()]
        found = [
            Alarm(monitored, each.z, each.value, each.usual, self.compared)
            for monitored, each in zip(Monitored, largest, strict=True)
            if each.z > LIMIT
        ]
        if found:
            self._begin_anew()
        return found

    def _begin_anew(self) -> None:
        fresh = DriftState()
        self.centroids, self.sizes, self.reference = fresh.centroids, fresh.sizes, fresh.reference
        self.products, self.recent, self.compared = fresh.products, fresh.recent, 0


@dataclass(frozen=True, slots=True)
class Compared:
    """A window's value, what it usually would be, and how many standard deviations lie between."""

    value: float
    usual: float
    z: float


def merged(one: Tally, other: Tally) -> Tally:
    return Tally(*(getattr(one, each.name) + getattr(other, each.name) for each in fields(Tally)))


def compare(window: Tally, reference: Tally, products: Vectors) -> list[Compared]:
    """A window with the reference, in the order of Monitored."""
    return [
        _mean_shift(window, reference, products),
        stability(window.clusters, reference.clusters),
        stability(window.scores, reference.scores),
        _low_share(window, reference),
    ]


def _count(tally: Tally, one: Observation, cluster: int | None) -> None:
    tally.count += 1
    tally.total += one.vector
    if cluster is not None:
        tally.clusters[cluster] += 1
    if one.score is not None:
        tally.scores[int(np.searchsorted(SCORE_EDGES, one.score))] += 1
    if one.groundedness is not None:
        tally.scored += 1
        tally.low += one.groundedness < LOW_GROUNDEDNESS


def _mean_shift(block: Tally, reference: Tally, products: Vectors) -> Compared:
    mean = reference.total / reference.count
    covariance = products / reference.count - np.outer(mean, mean)
    noise = 1 / block.count + 1 / reference.count
    shift = float(((block.total / block.count - mean) ** 2).sum())
    usual = float(np.trace(covariance)) * noise
    deviation = float(np.sqrt(2 * (covariance**2).sum())) * noise
    return Compared(shift, usual, (shift - usual) / max(deviation, 1e-12))


def stability(block: Vectors, reference: Vectors) -> Compared:
    """The population stability index of counts; half a question is added to each bin, against empty ones."""
    n, m = float(block.sum()), float(reference.sum())
    if not n or not m:
        return Compared(0.0, 0.0, 0.0)
    used = (block + reference) > 0
    p, q = ((counts[used] + 0.5) / (counts.sum() + 0.5 * used.sum()) for counts in (block, reference))
    index = float(((p - q) * np.log(p / q)).sum())
    free, noise = int(used.sum()) - 1, 1 / n + 1 / m
    return Compared(index, free * noise, (index - free * noise) / max(np.sqrt(2 * free) * noise, 1e-12))


def _low_share(block: Tally, reference: Tally) -> Compared:
    if block.scored < MIN_SCORED or not reference.scored:
        return Compared(0.0, 0.0, 0.0)
    usual = (reference.low + 0.5) / (reference.scored + 1)
    share = block.low / block.scored
    deviation = np.sqrt(usual * (1 - usual) * (1 / block.scored + 1 / reference.scored))
    return Compared(share, usual, float((share - usual) / max(deviation, 1e-12)))
