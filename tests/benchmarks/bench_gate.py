"""How often the gate raises a false alarm, and how often it catches a true drop, on made-up pairs of runs.

Scores are drawn from four mixtures that look like what metrics of answers give: bounded, many at exactly 0 or
at 1. Of the candidate, a share of the cases is drawn anew (noise of models and judges). A true drop of 0.05
makes as many cases lose all of their score as that takes. Such a drop is harder to see than one in which all
cases lose a little, since the differences vary far more.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np

from eval.baseline import Baseline, Pairs, compare_pairs
from eval.gate import Verdict, run_gate
from eval.gate_settings import GateSettings
from eval.report.results import CaseResult, Configuration, DatasetVersion, RunResults
from eval.statistics import Scores, wilson_interval
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information, print_table

Random = np.random.Generator
Draw = Callable[[Random, int], Scores]
Change = tuple[Scores, Scores]  # of the baseline and the candidate

DROP, NOISE, CASES = 0.05, 0.1, 300
RUNS, TABLE_RUNS = 1000, 200
RESAMPLES = 1000
SETTINGS = GateSettings(primary_metric="score", thresholds={}, resamples=RESAMPLES)
SEVERAL = ("score", "second", "third", "fourth", "fifth")


def supported_claims(random: Random, size: int) -> Scores:
    """Faithfulness: claims that are supported, of one to seven; in most answers all."""
    claims, kind = random.integers(1, 8, size), random.random(size)
    chance = np.where(kind < 0.68, 1.0, np.where(kind < 0.75, 0.0, random.beta(4, 2, size)))
    return random.binomial(claims, chance) / claims


def right_or_wrong(random: Random, size: int) -> Scores:
    return (random.random(size) < 0.8).astype(float)


def judged_relevancy(random: Random, size: int) -> Scores:
    """A judge's figure with two digits: mostly high, sometimes low, rarely between."""
    high = random.random(size) < 0.85
    scores = np.where(high, random.beta(9, 1.2, size), random.beta(1.2, 5, size))
    return np.asarray(scores.round(2), float)


def rank_of_the_source(random: Random, size: int) -> Scores:
    """nDCG with one relevant source."""
    scores = np.array([1, 0.63, 0.5, 0.43, 0.39, 0])
    return random.choice(scores, p=[0.6, 0.14, 0.07, 0.04, 0.03, 0.12], size=size)


DRAWS: tuple[Draw, ...] = (supported_claims, right_or_wrong, judged_relevancy, rank_of_the_source)


def draw_change(draw: Draw, random: Random, *, cases: int, noise: float, drop: float) -> Change:
    mean = float(draw(np.random.default_rng(0), 100_000).mean())
    baseline = draw(random, cases)
    candidate = np.where(random.random(cases) < noise, draw(random, cases), baseline)
    return baseline, np.where(random.random(cases) < drop / mean, 0.0, candidate)


def make_run(name: str, scores: dict[str, Scores]) -> RunResults:
    rows = np.column_stack(list(scores.values()))
    cases = tuple(
        CaseResult(id=str(at), question="?", metrics=dict(zip(scores, map(float, row), strict=True)))
        for at, row in enumerate(rows)
    )
    return RunResults(
        id=name,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        dataset=DatasetVersion(name="made up", sha256="0" * 64),
        configuration=Configuration(models={}, prompt_version="", index_version="", strategy=""),
        git_revision="none",
        seed=0,
        cases=cases,
    )


def gate_verdict(changes: dict[str, Change]) -> Verdict:
    """The whole gate's, without floors."""
    baseline = make_run("before", {name: before for name, (before, _) in changes.items()})
    candidate = make_run("after", {name: after for name, (_, after) in changes.items()})
    return run_gate(candidate, Baseline(run=baseline, history=()), SETTINGS).verdict


def share_failed(draw: Draw, *, drop: float) -> float:
    random = np.random.default_rng(1)
    changes = (draw_change(draw, random, cases=CASES, noise=NOISE, drop=drop) for _ in range(RUNS))
    return float(np.mean([gate_verdict({"score": change}) is Verdict.FAIL for change in changes]))


def share_dropped(draw: Draw, *, cases: int, noise: float, drop: float) -> tuple[float, float]:
    """How often the primary metric's rule sees a drop, and the mean deviation of the differences."""
    random = np.random.default_rng(2)
    found, deviations = [], []
    for _ in range(TABLE_RUNS):
        before, after = draw_change(draw, random, cases=cases, noise=noise, drop=drop)
        pairs = Pairs("score", tuple(map(str, range(cases))), before, after, cases, in_baseline=True)
        change = compare_pairs(pairs, confidence=0.95, resamples=RESAMPLES, seed=0)
        found.append(change.has_dropped(0.95))
        deviations.append(change.deviation)
    return float(np.mean(found)), float(np.mean(deviations))


def share_warned_of_several() -> float:
    """Five metrics, none of them changed: how often anything but a pass comes out."""
    random = np.random.default_rng(3)
    verdicts = []
    for _ in range(TABLE_RUNS):
        changes = {
            name: draw_change(DRAWS[at % len(DRAWS)], random, cases=CASES, noise=NOISE, drop=0)
            for at, name in enumerate(SEVERAL)
        }
        verdicts.append(gate_verdict(changes) is not Verdict.PASS)
    return float(np.mean(verdicts))


def table() -> list[BenchmarkRow]:
    rows = []
    for draw in DRAWS:
        for noise in (0.1, 0.3, 1.0):
            for cases in (100, 300, 1000):
                power, deviation = share_dropped(draw, cases=cases, noise=noise, drop=DROP)
                alarm, _ = share_dropped(draw, cases=cases, noise=noise, drop=0)
                name = f"{draw.__name__}, {cases} cases, {noise:.0%} redrawn"
                rows.append(for_information(f"{name}: deviation", deviation))
                rows.append(for_information(f"{name}: false alarms", alarm))
                rows.append(for_information(f"{name}: drops caught", power))
    return rows


def run() -> list[BenchmarkRow]:
    rows = []
    for draw in DRAWS:
        alarms, caught = share_failed(draw, drop=0), share_failed(draw, drop=DROP)
        rows.append(at_most(f"{draw.__name__}: false alarms", alarms, 0.05))
        bound = wilson_interval(round(alarms * RUNS), RUNS).high
        rows.append(for_information("… at most, with 95 % confidence", bound))
        rows.append(at_least(f"{draw.__name__}: drops of {DROP:g} caught", caught, 0.80))
    rows.append(for_information("five unchanged metrics: anything but a pass", share_warned_of_several()))
    return [*rows, *table()]


if __name__ == "__main__":
    print_table(run())
