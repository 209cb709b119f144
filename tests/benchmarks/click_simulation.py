"""Users who click by the position-based model over real judgments (Craswell et al., WSDM 2008).

Each session asks one of the questions and gets the first places of one of several rankings, as an experiment
would give them. A place is looked at with probability 1 / place; what is looked at is clicked if it is
relevant, and otherwise one time in ten.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.logistic import Matrix
from eval.metrics import ndcg
from feedback.flywheel.sessions import Session
from feedback.flywheel.train import LinearRanking

SHOWN = 10
NOISE = 0.1  # chance that something irrelevant is clicked once it is looked at
DEPTH = 10


@dataclass(frozen=True, slots=True, eq=False)
class RankedList:
    """What a search found for a question, best first.

    Attributes:
        sources: Names of the passages' sources.
        relevant: Names of those that answer the question.
        features: A row for each passage.
    """

    question: str
    sources: tuple[str, ...]
    relevant: frozenset[str]
    features: Matrix

    def session(self, random: np.random.Generator) -> Session:
        """What one user does with the first places."""
        shown = min(SHOWN, len(self.sources))
        attracts = np.where([name in self.relevant for name in self.sources[:shown]], 1.0, NOISE)
        looked = random.random(shown) < looked_at(shown)
        clicked = looked & (random.random(shown) < attracts)
        none = np.zeros(shown, bool)
        return Session(self.question, self.sources[:shown], shown, self.features[:shown], clicked, none)

    def ndcg(self, ranking: LinearRanking | None) -> float:
        """Of distinct documents in the first ten places; in the search's own order without a ranking."""
        order = np.arange(len(self.sources))
        if ranking is not None:
            order = np.argsort(-ranking.scores(self.features), kind="stable")
        documents = dict.fromkeys(self.sources[at] for at in order)
        return ndcg([name in self.relevant for name in documents], len(self.relevant), depth=DEPTH)


def looked_at(places: int) -> Matrix:
    """The true propensities: 1 / place."""
    propensities: Matrix = 1 / np.arange(1, places + 1)
    return propensities


def simulate(
    rankings: Sequence[Sequence[RankedList]], questions: Sequence[int], sessions: int, seed: int
) -> list[Session]:
    """Sessions of users who ask any of these questions and meet any of the rankings.

    Args:
        rankings: Of each variant, all questions' lists.
        questions: Which of them are asked.
        sessions: How many.
        seed: Of all chance.
    """
    random = np.random.default_rng(seed)
    return [
        rankings[int(variant)][questions[int(asked)]].session(random)
        for variant, asked in zip(
            random.integers(len(rankings), size=sessions),
            random.integers(len(questions), size=sessions),
            strict=True,
        )
    ]
