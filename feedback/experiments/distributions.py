"""Tails of the normal, Student's and chi-squared distributions, to about 1e-12 of their value."""

from collections.abc import Callable
from itertools import count
from math import erfc, exp, lgamma, log, log1p, pi, sqrt

_TINY = 1e-300  # keeps Lentz's method from dividing by zero
_CONVERGED = 1e-15
_LARGE = 100.0  # from here on Stirling's series is more exact than a difference of lgamma


def normal_tails(z: float) -> float:
    """Chance of a standard normal value at least as far from 0: the two-sided p-value."""
    return erfc(abs(z) / sqrt(2))


def normal_below(z: float) -> float:
    """Chance of a standard normal value below z."""
    return erfc(-z / sqrt(2)) / 2


def student_tails(t: float, degrees: float) -> float:
    """Two-sided p-value of Student's t: I_x(ν/2, 1/2) with x = ν / (ν + t²), the incomplete beta function.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.1.
    """
    if t == 0:
        return 1.0
    a, square = degrees / 2, t * t
    x, rest = degrees / (degrees + square), square / (degrees + square)
    front = exp(-a * log1p(square / degrees) + log(rest) / 2 - _log_beta_half(a))
    if x < (a + 1) / (a + 2.5):
        return front / a * _beta_fraction(a, 0.5, x)
    return 1 - front / 0.5 * _beta_fraction(0.5, a, rest)


def student_quantile(confidence: float, degrees: float) -> float:
    """The t that leaves this confidence between −t and t."""
    return root(lambda t: 1 - confidence - student_tails(t, degrees))


def chi_squared_tail(x: float, degrees: int) -> float:
    """Chance of a chi-squared value above x, by its finite sum (Abramowitz and Stegun, 26.4.4 and 26.4.5)."""
    half = x / 2
    odd = degrees % 2 == 1
    power = 0.5 if odd else 0.0
    total = erfc(sqrt(half)) if odd else 0.0
    while power < degrees / 2:
        total += exp(power * log(half) - half - lgamma(power + 1)) if half > 0 else float(power == 0)
        power += 1
    return total


def root(rising: Callable[[float], float]) -> float:
    """Where a rising function of a number above 0 crosses 0, by bisection to a double's last digits."""
    high = 1.0
    while rising(high) < 0:
        high *= 2
    low = 0.0
    while high - low > _CONVERGED * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return high


def _log_beta_half(a: float) -> float:
    """B(a, 1/2) as its logarithm, ln Γ(a) + ln Γ(1/2) − ln Γ(a + 1/2)."""
    if a < _LARGE:
        return lgamma(a) + log(pi) / 2 - lgamma(a + 0.5)
    return log(pi / a) / 2 + 1 / (8 * a) - 1 / (192 * a**3) + 1 / (640 * a**5)


def _beta_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function by Lentz's method (Numerical Recipes, 6.4)."""
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    value = d
    for m in count(1):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away(1 + term * d)
            c = _away(1 + term / c)
            value *= c * d
        if abs(c * d - 1) < _CONVERGED:
            break
    return value


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
