"""How likely somebody looks at each place of a list, estimated from the logs themselves.

The position-based model: a passage is clicked if its place is looked at and it attracts, P = θ(place) ·
γ(passage) (Craswell et al., WSDM 2008).

- repeated: a passage that was shown for the same question at two places, because of experiments, other
  settings or a changed corpus, is a natural intervention: γ is the same at both, so the ratio of the click
  rates is that of the θ. All pairs of places are joined by weighted least squares of the logarithms (after
  Agarwal et al., "Estimating Position Bias without Intrusive Interventions", WSDM 2019).
- regression: where these are too few, γ is a logistic regression on what the passage is, not on where it
  stood, fitted together with θ by expectation maximisation (Wang et al., "Position Bias Estimation for
  Unbiased Learning to Rank in Personal Search", WSDM 2018).

θ is relative to the first place: only ratios matter to training.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eval.logistic import Matrix, fit_logistic, sigmoid
from feedback.flywheel.sessions import Session
from rag.errors import InvalidInputError
from rag.models.rerank_features import FEATURES

FLOOR = 0.1  # no click counts more than ten times: one stray click low on a page must not decide
FEWEST_CLICKS = 100  # on pairs seen at several places, and at two places or more; fewer say too little
ROUNDS = 30
# What a place has a part in, or stands for it.
_OF_PLACE = frozenset({"vector_rank", "lexical_rank", "lexical_share", "fused_share"})
_ABSOLUTE = [at for at, name in enumerate(FEATURES) if name not in _OF_PLACE]

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Propensities:
    """How likely each place is looked at, in proportion to the first.

    Attributes:
        values: Of the places in their order; not clipped.
        method: How they were found; "none" where nothing was clicked.
        clicks: That they rest on.
    """

    values: tuple[float, ...]
    method: Literal["repeated", "regression", "none"]
    clicks: int

    def weights(self, floor: float = FLOOR) -> Matrix:
        """How much a click at each place counts: 1 / propensity, at most 1 / floor."""
        weights: Matrix = 1 / np.clip(self.values, floor, None)
        return weights


@dataclass(frozen=True, slots=True)
class _Seen:
    """Passages at places, (n,) each: which passage, where (from 0), how often shown, how often clicked."""

    item: Places
    place: Places
    shown: Matrix
    clicks: Matrix
    features: Matrix


@dataclass(frozen=True, slots=True)
class _Pair:
    """The logarithm of θ(second) / θ(first), and how much is known of it: one over its variance."""

    first: int
    second: int
    log_ratio: float
    worth: float


def estimate_propensities(sessions: Sequence[Session]) -> Propensities:
    """The propensities of all places that were shown.

    Raises:
        InvalidInputError: The clicks say nothing of them: there are too few, or all are at one place.
    """
    total = int(sum(session.clicked.sum() for session in sessions))
    if total < FEWEST_CLICKS:
        raise InvalidInputError(f"{total} clicks say too little of places: it takes {FEWEST_CLICKS}")
    seen = _count(sessions)
    clicked = np.unique(seen.place[seen.clicks > 0])
    if clicked.size < 2:  # noqa: PLR2004 - one place has nothing to compare with
        raise InvalidInputError(f"all {total} clicks are at place {clicked[0] + 1}: no other can be judged")
    repeated = _repeated(seen)
    if repeated is not None:
        return repeated
    return Propensities(_relative(_regression(seen)), "regression", total)


def _count(sessions: Sequence[Session]) -> _Seen:
    """Each question's passage at each place once."""
    rows: dict[tuple[str, str, int], list[float]] = {}
    features: dict[tuple[str, str, int], Matrix] = {}
    for session in sessions:
        for place, passage in enumerate(session.passages[: session.shown]):
            at = (session.key, passage, place)
            counts = rows.setdefault(at, [0.0, 0.0])
            counts[0] += 1
            counts[1] += float(session.clicked[place])
            features[at] = session.features[place]
    items = {pair: number for number, pair in enumerate(dict.fromkeys(at[:2] for at in rows))}
    return _Seen(
        np.array([items[at[:2]] for at in rows], np.int64),
        np.array([at[2] for at in rows], np.int64),
        np.array([counts[0] for counts in rows.values()]),
        np.array([counts[1] for counts in rows.values()]),
        np.array([features[at] for at in rows]).reshape(len(rows), -1),
    )


def _repeated(seen: _Seen) -> Propensities | None:
    """From pairs of places; None if they rest on too few clicks, or leave a place without any."""
    size = int(seen.place.max()) + 1
    shown, clicks = np.zeros((2, int(seen.item.max()) + 1, size))
    shown[seen.item, seen.place], clicks[seen.item, seen.place] = seen.shown, seen.clicks
    moved = (shown > 0).sum(1) > 1
    shown, clicks = shown[moved], clicks[moved]
    pairs = [pair for at in range(size) for to in range(at) if (pair := _compare(shown, clicks, to, at))]
    if clicks.sum() < FEWEST_CLICKS or not _joined(pairs, size):
        return None
    design = np.zeros((len(pairs), size))
    for row, pair in enumerate(pairs):
        design[row, [pair.first, pair.second]] = -1, 1
    root = np.sqrt([pair.worth for pair in pairs])
    ratios = np.array([pair.log_ratio for pair in pairs])
    solved = np.linalg.lstsq(design[:, 1:] * root[:, None], ratios * root, rcond=None)[0]
    return Propensities((1.0, *map(float, np.exp(solved))), "repeated", int(clicks.sum()))


def _compare(shown: Matrix, clicks: Matrix, first: int, second: int) -> _Pair | None:
    """Two places by the passages that were at both, each counting alike at both; None without clicks."""
    both = (shown[:, first] > 0) & (shown[:, second] > 0)
    at, to = shown[both, first], shown[both, second]
    worth = at * to / (at + to)
    rates = [float((worth * clicks[both, place] / shown[both, place]).sum()) for place in (first, second)]
    counts = [float(clicks[both, place].sum()) for place in (first, second)]
    if min(rates) <= 0:
        return None
    # The variance of a logarithm of a count is about one over it.
    return _Pair(first, second, math.log(rates[1] / rates[0]), 1 / (1 / counts[0] + 1 / counts[1]))


def _joined(pairs: Sequence[_Pair], places: int) -> bool:
    """Whether every place is compared with the first one, if over others."""
    reached, before = {0}, 0
    while len(reached) > before:
        before = len(reached)
        for pair in pairs:
            if {pair.first, pair.second} & reached:
                reached |= {pair.first, pair.second}
    return len(reached) == places


def _regression(seen: _Seen) -> Matrix:
    places = int(seen.place.max()) + 1
    looked = 1.0 / (1 + np.arange(places))
    matrix = seen.features[:, _ABSOLUTE]
    attracts = np.full(len(matrix), 0.5)
    both = np.vstack([matrix, matrix])
    labels = np.r_[np.ones(len(matrix), bool), np.zeros(len(matrix), bool)]
    for _ in range(ROUNDS):
        looked_at, wanted = _expected(seen, looked, attracts)
        shown = np.bincount(seen.place, seen.shown, minlength=places)
        looked = np.bincount(seen.place, looked_at, minlength=places) / np.maximum(shown, 1)
        weights, bias = fit_logistic(both, labels, worth=np.r_[wanted, seen.shown - wanted])
        attracts = sigmoid(matrix @ weights + bias)
    return looked


def _expected(seen: _Seen, looked: Matrix, attracts: Matrix) -> tuple[Matrix, Matrix]:
    """How often each row was looked at, and how often it was attractive, given its clicks."""
    theta, gamma = looked[seen.place], attracts
    missed = np.maximum(1 - theta * gamma, 1e-9)
    without = seen.shown - seen.clicks
    looked_at = seen.clicks + without * theta * (1 - gamma) / missed
    wanted = seen.clicks + without * gamma * (1 - theta) / missed
    return looked_at, wanted


def _relative(looked: Matrix) -> tuple[float, ...]:
    return tuple(float(value) for value in looked / max(float(looked[0]), 1e-9))
