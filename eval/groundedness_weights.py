"""The fitted weights of the groundedness score: `python -m eval.fit_groundedness` prints them."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from eval.groundedness_features import FEATURES


@dataclass(frozen=True, slots=True, eq=False)
class GroundednessWeights:
    """Of a logistic regression.

    Attributes:
        slopes: Per entry of FEATURES.
        bias: The log-odds of support where all measures are 0.
    """

    slopes: NDArray[np.float64]
    bias: float

    @classmethod
    def of(cls, *, bias: float, **slopes: float) -> Self:
        """From weights by name."""
        return cls(np.array([slopes[name] for name in FEATURES]), bias)


# Fitted on BEGIN, HaluEval's samples and altered sentences of ClapNQ.
# What they do on answers held out: `python -m tests.benchmarks groundedness`.
DEFAULT = GroundednessWeights.of(
    missing=-1.716,
    unmatched=-1.356,
    function_words=2.688,
    negation=-3.021,
    missing_numbers=-3.219,
    missing_names=-1.597,
    displaced_numbers=-3.352,
    first_person=-2.180,
    bias=0.616,
)
