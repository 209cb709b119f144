"""Whether the subjects split as the weights say: if not, something else than the dice chose them."""

from collections.abc import Mapping
from dataclasses import dataclass

from feedback.experiments.assignment import positive_weights
from feedback.experiments.distributions import chi_squared_tail
from rag.errors import InvalidInputError

THRESHOLD = 0.001  # of Fabijan et al.: checked every day, it must not cry wolf
_FEWEST = 5  # expected of each variant, for the statistic to be chi-squared (Cochran, Biometrics 1954)


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """How many subjects came and were expected, with the p-value of the difference.

    Attributes:
        counts: Subjects of each variant.
        expected: What the weights would give of as many.
        statistic: Chi-squared.
        p_value: Of the statistic.
        is_mismatch: Whether the p-value is below 0.001, and each variant should have five subjects or more.
    """

    counts: Mapping[str, int]
    expected: Mapping[str, float]
    statistic: float
    p_value: float
    is_mismatch: bool


def check_sample_ratio(counts: Mapping[str, int], weights: Mapping[str, float]) -> SampleRatio:
    """Pearson's chi-squared test of the counts, Σ (n − e)² / e with k − 1 degrees of freedom.

    Fabijan et al., "Diagnosing Sample Ratio Mismatch in Online Controlled Experiments", KDD 2019.

    Raises:
        InvalidInputError: A weight is not a number of 0 or more, or a variant has subjects but no weight.
    """
    positive = positive_weights(weights)
    if unexpected := sorted(name for name, count in counts.items() if count and name not in positive):
        raise InvalidInputError(f"there are subjects of {', '.join(unexpected)}, which has no weight")
    subjects, total = sum(counts.values()), sum(positive.values())
    expected = {name: subjects * weight / total for name, weight in positive.items()}
    statistic = sum((counts.get(name, 0) - e) ** 2 / e for name, e in expected.items() if e)
    p_value = chi_squared_tail(statistic, len(positive) - 1) if len(positive) > 1 else 1.0
    is_mismatch = p_value < THRESHOLD and min(expected.values()) >= _FEWEST
    return SampleRatio({n: counts.get(n, 0) for n in positive}, expected, statistic, p_value, is_mismatch)
