"""Lists of a search that goes by one feature, while what people want shows in another."""

import numpy as np

from rag.models.rerank_features import FEATURES
from tests.benchmarks.click_simulation import RankedList

BY_SEARCH, BY_PEOPLE = FEATURES.index("vector_score"), FEATURES.index("pairs")
LONG = 20  # passages a list


def made_lists(questions: int, *, seed: int, noise: float = 0.0) -> list[RankedList]:
    """A list of each question, ordered by the search's feature.

    A fifth of the passages are relevant. Their mean in the search's feature is half a standard deviation
    above the others', in the other one a whole. `noise` makes another ranking of the same passages.
    """
    passages, order = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    return [_made(f"question {at}", passages, order, noise) for at in range(questions)]


def _made(
    question: str, passages: np.random.Generator, order: np.random.Generator, noise: float
) -> RankedList:
    relevant = passages.random(LONG) < 0.2
    relevant[0] = True
    features = np.zeros((LONG, len(FEATURES)))
    features[:, BY_SEARCH] = passages.normal(size=LONG) + 0.5 * relevant
    features[:, BY_PEOPLE] = passages.normal(size=LONG) + 1.0 * relevant
    ranked = np.argsort(-(features[:, BY_SEARCH] + noise * order.normal(size=LONG)))
    names = [f"{question} passage {at}" for at in range(LONG)]
    return RankedList(
        question,
        tuple(names[at] for at in ranked),
        frozenset(name for name, wanted in zip(names, relevant, strict=True) if wanted),
        features[ranked],
    )
