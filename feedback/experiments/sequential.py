"""Intervals that hold at every look at once: an experiment may be looked at daily and stopped at any time.

A difference over its standard error moves, as subjects come, like a Brownian motion over the square root of
time, also when the arms grow unevenly (Jennison and Turnbull, Group Sequential Methods, 1999, 3.1). Of the
hypotheses "the difference is θ" those are kept against which the likelihood ratio of a mixture of larger
differences has not reached 1/α. A true one is ever left out with chance α at most (Ville's inequality):
Robbins, "Statistical methods related to the law of the iterated logarithm", Annals of Math. Statistics 1970;
Johari, Koomen, Pekelis and Walsh, "Always valid inference", Operations Research 2022; Howard, Ramdas,
McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of Statistics
2021. With estimated variances it holds as the number of subjects grows: Waudby-Smith et al., "Time-uniform
central limit theory and asymptotic confidence sequences", Annals of Statistics 2024.

The mixture has two parts. With weight 0.8 it is the one difference at which the test is tightest when as many
subjects have come as were planned (Wald's sequential test); with 0.2 a half-normal distribution, which keeps
the interval useful long before and long after. At the plan the interval reaches 2.50 standard errors to each
side at α = 0.05; a half-normal mixture alone would reach 2.77, a test that is looked at once 1.64.
"""

from dataclasses import dataclass
from math import exp, log, sqrt

from eval.metrics import Interval
from feedback.experiments.distributions import normal_below, root

_POINT = 0.8
_SPREAD = 4.0  # of the half-normal part, in standard errors at the plan
_MEDIAN = 0.5
_LARGEST = 700.0  # exp of more is infinite


@dataclass(frozen=True, slots=True)
class AlwaysValid:
    """A difference with its always-valid interval, and the always-valid p-value of no difference."""

    difference: Interval
    p_value: float
    standard_errors: float


def always_valid(difference: float, variance: float, *, planned_variance: float, alpha: float) -> AlwaysValid:
    """The interval of a difference at this look; each bound is ever wrong with chance `alpha` at most.

    Args:
        difference: Estimated so far.
        variance: Of that estimate.
        planned_variance: What it will be when all the planned subjects have come. It must be fixed before the
            first look: a plan that follows the data voids the guarantee.
        alpha: Of each bound; both together miss with twice that.

    Raises:
        ValueError: A variance or alpha is not above 0, or alpha is 0.5 or more.
    """
    if min(variance, planned_variance, alpha) <= 0 or alpha >= _MEDIAN:
        raise ValueError("variances must be above 0, and alpha between 0 and 0.5")
    information = planned_variance / variance
    error = sqrt(variance)
    k = boundary(information, alpha)
    evidence = likelihood_ratio(abs(difference) / error, information, alpha)
    interval = Interval(difference, difference - k * error, difference + k * error)
    return AlwaysValid(interval, min(1.0, 2 / evidence), k)


def boundary(information: float, alpha: float) -> float:
    """How many standard errors the interval reaches to each side.

    Args:
        information: Share of the planned information: the planned variance by today's.
        alpha: Of each bound.
    """
    return root(lambda z: likelihood_ratio(z, information, alpha) - 1 / alpha)


def likelihood_ratio(z: float, information: float, alpha: float) -> float:
    """Of the mixture to no difference, z standard errors away: w exp(c √f z − c² f / 2) + (1 − w) h.

    f is the information; c = √(2 ln(1/(w α))) is the difference with which the first part is tightest at f =
    1; h = 2 (1 + q)^-½ exp(z² q / (2 (1 + q))) Φ(z √(q / (1 + q))) with q = s² f is the half-normal part.
    """
    c, q = sqrt(2 * log(1 / (_POINT * alpha))), _SPREAD**2 * information
    point = _exp(c * sqrt(information) * z - c * c * information / 2)
    share = q / (1 + q)
    half_normal = 2 / sqrt(1 + q) * _exp(z * z * share / 2) * normal_below(z * sqrt(share))
    return _POINT * point + (1 - _POINT) * half_normal


def _exp(value: float) -> float:
    return exp(min(value, _LARGEST))
