"""The fitted weights of the extractive answerer: `python -m eval.fit_extractive` prints them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rag.models.answer_features import FEATURES
from rag.models.answerability import SIGNALS


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Of both models.

    Attributes:
        sentence: Per entry of FEATURES.
        answerable: Per entry of SIGNALS.
        bias: The log-odds of an answer where all signals are 0.
    """

    sentence: NDArray[np.float64]
    answerable: NDArray[np.float64]
    bias: float

    @classmethod
    def of(cls, *, sentence: Mapping[str, float], answerable: Mapping[str, float], bias: float) -> Self:
        """From weights by name."""
        return cls(
            np.array([sentence[name] for name in FEATURES]),
            np.array([answerable[name] for name in SIGNALS]),
            bias,
        )


ANSWER_THRESHOLD = 0.2
"""Abstain below it: end to end that loses 0.03 of the right answers and lets 0.01 of foreign questions by."""

DEFAULT = Weights.of(
    sentence={
        "similarity": 5.606,
        "similarity_with_previous": 8.305,
        "sentence_cosine": -0.492,
        "question_word": 7.757,
        "weakest_term": 1.130,
        "rare_terms": 0.886,
        "other_terms": 2.286,
        "previous_adds": 0.960,
        "next_adds": 2.477,
        "has_number": 1.219,
        "has_time": 1.383,
        "has_name": 1.638,
        "has_reason": 2.571,
        "back_reference": 0.435,
        "length": -0.341,
        "source_similarity": 10.686,
    },
    answerable={
        "sentence_cosine": 3.116,
        "similarity_with_previous": 1.419,
        "margin": 0.398,
        "weakest_term": 1.058,
        "missing_names": -0.497,
        "missing_numbers": -1.405,
        "negation": -2.939,
        "opposite": -2.430,
        "wrong_kind": -0.548,
    },
    bias=-3.615,
)
