"""Assignment of 100,000 users, and how often experiments recommend what, by simulation of their daily looks.

Each simulated experiment runs 30 days with as many subjects a day, and its recommendation is taken every day.
One that ever says "promote" counts as promoted, though somebody might have looked on other days only.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from eval.statistics import Scores
from feedback.experiments.analysis import Plan, analyse
from feedback.experiments.assignment import assign
from feedback.experiments.comparison import Comparison, Evidence, Settings, compare
from feedback.experiments.distributions import chi_squared_tail
from feedback.experiments.metrics import Direction, Kind, Metric, Role, parse_metric
from feedback.experiments.proportions import Share, two_proportion_test
from feedback.experiments.ratios import Sums
from feedback.experiments.recommendation import Recommendation, decide
from feedback.experiments.rows import Row
from feedback.experiments.sample_ratio import check_sample_ratio
from feedback.experiments.single_look import Level
from feedback.experiments.subjects import Sample
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information

USERS = 100_000
DAYS, ARM = 30, 10_000
SIMULATIONS = 1000
WHOLE = 20  # experiments that go through rows, day by day
START = datetime(2026, 1, 1, tzinfo=UTC)
CONVERTED = Metric("converted", Role.PRIMARY, Direction.HIGHER, kind=Kind.PROPORTION)
ERRORS = Metric("errors", Role.GUARDRAIL, Direction.LOWER, kind=Kind.MEAN)
LATENCY = Metric("latency_ms", Role.GUARDRAIL, Direction.LOWER, kind=Kind.MEAN, margin=0.05)
METRICS = (CONVERTED, ERRORS, LATENCY)
Rates = tuple[float, float]  # of the control and the challenger


def assignment() -> Iterator[BenchmarkRow]:
    users = [f"user-{at}" for at in range(USERS)]
    began = time.perf_counter()
    unequal = [assign("unequal", "salt", user, {"control": 90, "challenger": 10}) for user in users]
    seconds = time.perf_counter() - began
    share = unequal.count("challenger") / USERS
    yield at_most("90/10: points away from 10 %", abs(share - 0.1) * 100, 0.3)
    yield for_information("one assignment", seconds / USERS * 1e6, "µs")
    halves = {"control": 1.0, "challenger": 1.0}
    pairs = Counter(
        (assign("first", "salt", user, halves), assign("second", "salt", user, halves)) for user in users
    )
    statistic = sum((count - USERS / 4) ** 2 / (USERS / 4) for count in pairs.values())
    yield at_least("two experiments independent: p of chi-squared", chi_squared_tail(statistic, 3), 0.01)
    wider = [assign("unequal", "salt", user, {"control": 70, "challenger": 30}) for user in users]
    moved = Counter(pair for pair in zip(unequal, wider, strict=True) if pair[0] != pair[1])
    yield for_information("90/10 to 70/30: moved to the challenger", moved["control", "challenger"] / USERS)
    yield at_most("90/10 to 70/30: moved otherwise", moved.total() - moved["control", "challenger"], 0)


def daily_looks(rates: Rates, random: np.random.Generator, *, late: float = 0.0) -> list[Recommendation]:
    """What is recommended day by day; `late` makes the challenger's latency this much higher."""
    compared = [
        compare(metric, in_days("control", first), in_days("challenger", second), level)
        for metric, (first, second), level in zip(METRICS, draw(rates, random, late), settings(), strict=True)
    ]
    counts = int(random.binomial(2 * ARM, 0.5))  # the split as assigned, for its own false alarms
    ratio = check_sample_ratio({"0": counts, "1": 2 * ARM - counts}, {"0": 1, "1": 1})
    daily = zip(*(by_day(comparison) for comparison in compared), strict=True)
    return [decide(primary, guardrails, ratio).recommendation for primary, *guardrails in daily]


def in_days(variant: str, values: Scores) -> Sample:
    return Sample(variant, Sums.of_values(values), 1 + np.arange(ARM) * DAYS // ARM)


def settings() -> list[Settings]:
    levels = [0.05, 0.025, 0.025]  # the guardrails share theirs
    level = Level(0.95, 1, 0)
    return [
        Settings(alpha=a, control_progress=1, challenger_progress=1, minimum_subjects=100, single_look=level)
        for a in levels
    ]


def draw(rates: Rates, random: np.random.Generator, late: float) -> Iterator[tuple[Scores, Scores]]:
    """Conversions, errors and latencies of both arms."""
    first, second = (random.random(ARM) < rate for rate in rates)
    yield first.astype(float), second.astype(float)
    first, second = (random.random(ARM) < 0.02 for _ in rates)
    yield first.astype(float), second.astype(float)
    yield random.lognormal(6, 0.5, ARM), random.lognormal(6, 0.5, ARM) * (1 + late)


def by_day(comparison: Comparison) -> Iterator[Comparison]:
    return (
        Comparison(
            comparison.metric,
            comparison.control,
            comparison.challenger,
            evidence=look.evidence,
            difference=look.difference,
            lift=look.lift,
        )
        for look in comparison.looks
    )


def ever(looks: Sequence[Recommendation], wanted: Recommendation) -> bool:
    """Whether it is recommended before the experiment has ended otherwise."""
    final = next((look for look in looks if look is not Recommendation.CONTINUE), None)
    return final is wanted


def simulated(rates: Rates, *, late: float = 0.0) -> list[list[Recommendation]]:
    random = np.random.default_rng(round(1e6 * rates[1] + 1e3 * late))
    return [daily_looks(rates, random, late=late) for _ in range(SIMULATIONS)]


def share(runs: Sequence[Sequence[Recommendation]], wanted: Recommendation) -> float:
    return float(np.mean([ever(looks, wanted) for looks in runs]))


def any_share(runs: Sequence[Sequence[Recommendation]], wanted: Recommendation) -> float:
    return float(np.mean([wanted in looks for looks in runs]))


def errors_and_power() -> Iterator[BenchmarkRow]:
    promote, roll_back = Recommendation.PROMOTE, Recommendation.ROLL_BACK
    same = simulated((0.10, 0.10))
    yield at_most("10 % / 10 %: ever promoted in 30 daily looks", any_share(same, promote), 0.05)
    yield for_information("… rolled back, by any of three metrics", share(same, roll_back))
    worse = simulated((0.10, 0.095))
    yield at_most("10 % / 9.5 %: ever promoted in 30 daily looks", any_share(worse, promote), 0.05)
    much_worse = simulated((0.115, 0.10))
    yield at_most("11.5 % / 10 %: ever promoted", any_share(much_worse, promote), 0.05)
    yield at_least("11.5 % / 10 %: rolled back", share(much_worse, roll_back), 0.80)
    better = simulated((0.10, 0.115))
    yield at_least("10 % / 11.5 %: promoted, looking daily", share(better, promote), 0.80)
    at_the_end = float(np.mean([looks[-1] is promote for looks in better]))
    yield at_least("10 % / 11.5 %: promoted, looking at the end only", at_the_end, 0.80)
    stopped = [looks.index(promote) + 1 for looks in better if promote in looks]
    yield for_information("… day of the promotion, mean", float(np.mean(stopped)), "days")
    slow = simulated((0.10, 0.115), late=0.05)
    yield at_most("10 % / 11.5 %, 5 % slower, margin 5 %: ever promoted", any_share(slow, promote), 0.05)
    yield at_least("… rolled back", share(slow, roll_back), 0.80)


def naive_peeking() -> BenchmarkRow:
    """What the classical test promotes when it is looked at every day."""
    random, promoted = np.random.default_rng(5), 0
    ends = (np.arange(DAYS) + 1) * ARM // DAYS
    for _ in range(SIMULATIONS):
        sums = [np.cumsum(random.random(ARM) < 0.10) for _ in range(2)]
        arms = [[Share(int(total[end - 1]), int(end)) for end in ends] for total in sums]
        tests = [two_proportion_test(*pair) for pair in zip(*arms, strict=True)]
        promoted += any(test.p_value < 0.05 and test.statistic > 0 for test in tests)
    return for_information("10 % / 10 %: promoted by a z test at each daily look", promoted / SIMULATIONS)


def skewed_means() -> Iterator[BenchmarkRow]:
    """Costs of which a few are huge, as the metric that decides."""
    random, metric = np.random.default_rng(6), parse_metric("cost", Role.PRIMARY, Direction.LOWER)
    seen = []
    for _ in range(SIMULATIONS):
        arms = [in_days(name, random.lognormal(0, 1.5, ARM)) for name in ("control", "challenger")]
        seen.append({look.evidence for look in compare(metric, arms[0], arms[1], settings()[0]).looks})
    wrong = float(np.mean([Evidence.BETTER in evidence for evidence in seen]))
    yield at_most("skewed cost, no effect: ever seen as better", wrong, 0.05)


def made_rows(rates: Rates, seed: int) -> list[Row]:
    random = np.random.default_rng(seed)
    rows = []
    for at in range(2 * ARM):
        variant = assign("simulated", str(seed), f"user-{at}", {"control": 1, "challenger": 1})
        converted = random.random() < rates[variant == "challenger"]
        exposed_at = START + timedelta(days=DAYS * at / (2 * ARM))
        rows.append(Row(f"line {at}", f"user-{at}", variant, exposed_at, {"converted": float(converted)}, {}))
    return rows


def whole_path() -> Iterator[BenchmarkRow]:
    """Through assignment, rows and the analysis of each day by itself."""
    promoted, seconds = 0, []
    for seed in range(WHOLE):
        rows = made_rows((0.10, 0.115), seed)
        for day in range(3, DAYS + 1, 3):
            began = time.perf_counter()
            now = START + timedelta(days=day)
            analysis = analyse([row for row in rows if row.exposed_at <= now], Plan(now=now))
            seconds.append(time.perf_counter() - began)
            if analysis.recommendation is Recommendation.PROMOTE:
                promoted += 1
                break
    yield for_information(f"{WHOLE} whole experiments, 10 % / 11.5 %: promoted", promoted / WHOLE)
    yield for_information("longest analysis, up to 20,000 subjects", max(seconds), "s")


def run() -> list[BenchmarkRow]:
    return [*assignment(), *errors_and_power(), naive_peeking(), *skewed_means(), *whole_path()]
