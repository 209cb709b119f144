"""How benchmarks report: one row for each figure, with the bound it must meet."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BenchmarkRow:
    """One figure.

    Attributes:
        name: What was measured.
        value: The figure, in `unit`.
        unit: For example "ms"; empty for a ratio.
        bound: What the figure must meet, in words: "<= 10". Empty if it only informs.
        passed: Whether it does.
    """

    name: str
    value: float
    unit: str
    bound: str
    passed: bool


def at_least(name: str, value: float, bound: float, unit: str = "") -> BenchmarkRow:
    return BenchmarkRow(name=name, value=value, unit=unit, bound=f">= {bound:g}", passed=value >= bound)


def at_most(name: str, value: float, bound: float, unit: str = "") -> BenchmarkRow:
    return BenchmarkRow(name=name, value=value, unit=unit, bound=f"<= {bound:g}", passed=value <= bound)


def for_information(name: str, value: float, unit: str = "") -> BenchmarkRow:
    return BenchmarkRow(name=name, value=value, unit=unit, bound="", passed=True)


def print_table(rows: Sequence[BenchmarkRow]) -> None:
    width = max((len(row.name) for row in rows), default=0)
    for row in rows:
        verdict = ("ok" if row.passed else "FAILED") if row.bound else ""
        print(f"{row.name:<{width}}  {row.value:>12,.4f} {row.unit:<8} {row.bound:<10} {verdict}".rstrip())
