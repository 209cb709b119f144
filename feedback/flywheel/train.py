"""A linear ranking of passages, learned from what people used.

Loss = −Σ w(i) log softmax(s)(i) over each list's used passages i, s = features · weights: listwise learning
(Cao et al., "ListNet", ICML 2007) with each click weighted by how seldom its place is looked at, so that in
expectation all places count alike (Joachims, Swaminathan, Schnabel, "Unbiased Learning-to-Rank with Biased
Feedback", WSDM 2017; softmax: Ai et al., SIGIR 2018). What a used passage is compared with are the others of
its list: shown, and neither used nor approved.

A ridge pulls the weights to those of the search's own order, so that little data changes little. How strong
it is, cross-validation decides over whole questions: ten thousand clicks on ten questions are still ten.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.logistic import Matrix, column_scale
from feedback.flywheel.sessions import Marks, Session
from rag.errors import InvalidInputError
from rag.models.rerank_features import FEATURES

RIDGES = (1.0, 10.0, 100.0, 1000.0, 10_000.0)
FOLDS = 5
FEWEST_SESSIONS = 200  # with something used: with fewer, what is learned is mostly chance
FEWEST_QUESTIONS = 20  # different ones among them
ROUNDS = 50
CONVERGED = 1e-7
_OWN_ORDER = FEATURES.index("fused_share")


@dataclass(frozen=True, slots=True, eq=False)
class LinearRanking:
    """score = Σ weight · (feature − mean) / scale, each of shape (f,); how strong the ridge was."""

    mean: Matrix
    scale: Matrix
    weights: Matrix
    ridge: float

    def scores(self, features: Matrix) -> Matrix:
        """Of each row; only their order within a list means anything."""
        scored: Matrix = ((features - self.mean) / self.scale) @ self.weights
        return scored


@dataclass(frozen=True, slots=True, eq=False)
class _Lists:
    """Lists of one length after padding: (n, places, f), which places are there, and how much each counts."""

    design: Matrix
    there: Matrix
    worth: Matrix

    def only(self, rows: Marks) -> "_Lists":
        return _Lists(self.design[rows], self.there[rows], self.worth[rows])


def train_ranking(
    sessions: Sequence[Session], click_weights: Matrix | None, *, ridge: float | None = None
) -> LinearRanking:
    """The ranking that explains best what was used.

    Args:
        sessions: Those that tell nothing are left out.
        click_weights: How much a click at each place counts; None counts all alike, as if people looked at
            every place.
        ridge: Penalty of half the squared distance from the search's own order, in clicks; None for what
            cross-validation chooses.

    Raises:
        InvalidInputError: Too few sessions, or too few different questions, have something that was used and
            something that was not.
    """
    telling = [session for session in sessions if session.is_telling]
    questions = [session.key for session in telling]
    if len(telling) < FEWEST_SESSIONS or len(set(questions)) < FEWEST_QUESTIONS:
        raise InvalidInputError(
            f"{len(telling)} of {len(sessions)} sessions, of {len(set(questions))} questions, tell what is "
            f"better than what: it takes {FEWEST_SESSIONS}, of {FEWEST_QUESTIONS}"
        )
    rows = np.vstack([session.features for session in telling])
    mean, scale = rows.mean(0), column_scale(rows)
    lists, asked = _distinct(_padded(telling, click_weights, mean, scale), telling)
    if ridge is None:
        ridge = _choose_ridge(lists, asked)
    return LinearRanking(mean, scale, _fit(lists, ridge), ridge)


def _padded(sessions: Sequence[Session], click_weights: Matrix | None, mean: Matrix, scale: Matrix) -> _Lists:
    places = max(len(session.passages) for session in sessions)
    weights = np.ones(places)  # what was not shown was not clicked
    if click_weights is not None:
        weights[: len(click_weights)] = click_weights[:places]
    design = np.zeros((len(sessions), places, len(mean)))
    there, worth = np.zeros((len(sessions), places)), np.zeros((len(sessions), places))
    for at, session in enumerate(sessions):
        listed = len(session.passages)
        design[at, :listed] = (session.features - mean) / scale
        there[at, :listed] = 1
        worth[at, :listed] = np.where(session.approved, 1.0, session.clicked * weights[:listed])
    used = np.count_nonzero(worth)
    return _Lists(design, there, worth * (used / worth.sum()))  # so that a ridge means the same for both


def _distinct(lists: _Lists, sessions: Sequence[Session]) -> tuple[_Lists, list[str]]:
    """Each list that several saw once, with all that they used; and the question of each."""
    rows: dict[tuple[str, bytes], int] = {}
    owners = [rows.setdefault((s.key, s.features.tobytes()), len(rows)) for s in sessions]
    first = np.unique(owners, return_index=True)[1]
    worth = np.zeros((len(rows), lists.worth.shape[1]))
    np.add.at(worth, owners, lists.worth)
    return _Lists(lists.design[first], lists.there[first], worth), [key for key, _ in rows]


def _choose_ridge(lists: _Lists, questions: Sequence[str]) -> float:
    """The strongest ridge that on questions held out is no worse than the best by more than a standard error.

    Of models that can't be told apart the plainest: Breiman et al., "Classification and Regression Trees".
    """
    names = {name: at for at, name in enumerate(dict.fromkeys(questions))}
    fold = np.array([names[name] % FOLDS for name in questions])
    losses = np.array([[_held_out(lists, fold == one, ridge) for one in range(FOLDS)] for ridge in RIDGES])
    behind = losses - losses[losses.mean(axis=1).argmin()]
    error = behind.std(axis=1, ddof=1) / FOLDS**0.5
    return max(ridge for ridge, ok in zip(RIDGES, behind.mean(axis=1) <= error, strict=True) if ok)


def _held_out(lists: _Lists, out: Marks, ridge: float) -> float:
    """The loss for each click of the lists that were left out of the fit."""
    rest = lists.only(out)
    return _loss(rest, _fit(lists.only(~out), ridge), 0.0, 0.0) / float(rest.worth.sum())


def _fit(lists: _Lists, ridge: float) -> Matrix:
    """The weights, by way of those of the search's own order alone."""
    own = _Lists(lists.design[:, :, [_OWN_ORDER]], lists.there, lists.worth)
    start = np.zeros(lists.design.shape[-1])
    start[_OWN_ORDER] = _newton(own, np.zeros(1), 1.0)[0]
    return _newton(lists, start, ridge)


def _newton(lists: _Lists, start: Matrix, ridge: float) -> Matrix:
    """Each step is halved until the loss falls: it is convex, and has a handful of weights."""
    weights, mass, size = start, lists.worth.sum(1), len(start)
    loss = _loss(lists, weights, start, ridge)
    for _ in range(ROUNDS):
        chance = np.exp(_log_shares(lists, weights))
        missing = lists.worth - mass[:, None] * chance
        gradient = np.einsum("npf,np->f", lists.design, missing) - ridge * (weights - start)
        centred = lists.design - np.einsum("npf,np->nf", lists.design, chance)[:, None, :]
        weighted = (centred * (chance * mass[:, None])[:, :, None]).reshape(-1, size)
        step = np.linalg.solve(weighted.T @ centred.reshape(-1, size) + ridge * np.eye(size), gradient)
        while _loss(lists, weights + step, start, ridge) > loss and np.abs(step).max() > CONVERGED:
            step = step / 2
        if np.abs(step).max() <= CONVERGED:
            break
        weights = weights + step
        loss = _loss(lists, weights, start, ridge)
    return weights


def _loss(lists: _Lists, weights: Matrix, start: Matrix | float, ridge: float) -> float:
    shares = np.where(lists.there > 0, _log_shares(lists, weights), 0.0)
    return float(-(lists.worth * shares).sum() + ridge * ((weights - start) ** 2).sum() / 2)


def _log_shares(lists: _Lists, weights: Matrix) -> Matrix:
    """The logarithm of softmax over each list; −inf where there is nothing."""
    scores = np.where(lists.there > 0, lists.design @ weights, -np.inf)
    shifted = scores - scores.max(axis=-1, keepdims=True)
    shares: Matrix = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shares
