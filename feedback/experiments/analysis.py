"""An experiment from rows to a recommendation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from eval.statistics import holm
from feedback.experiments.assignment import positive_weights
from feedback.experiments.comparison import Comparison, Settings, compare
from feedback.experiments.metrics import DEFAULTS, Metric, Role
from feedback.experiments.ratios import RESAMPLES
from feedback.experiments.recommendation import Decision, Recommendation, decide
from feedback.experiments.rows import Row
from feedback.experiments.sample_ratio import SampleRatio, check_sample_ratio
from feedback.experiments.single_look import Level
from feedback.experiments.subjects import (
    Population,
    Subject,
    gather,
    is_in,
    sample,
    segment_values,
    with_kind,
)
from rag.errors import InvalidInputError

_CONFIDENCE = 0.95  # of the tests for who looks once
SEGMENTS = 50  # are compared at most, of all columns; a report of more would be read by nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How an experiment is analysed: to be fixed before the first look.

    Attributes:
        control: The variant that the others are compared with.
        weights: Expected of each variant; None expects as many of each that is in the rows.
        metrics: One of them primary; empty takes the usual ones that the rows have.
        alpha: Chance that a challenger that isn't better is ever promoted, over all looks and challengers.
        planned_subjects: In all variants together. More or fewer may come; the intervals are tightest there.
        minimum_subjects: Of an arm, to be compared at all.
        now: Of the analysis; exposures after it come from a wrong clock.
    """

    control: str = "control"
    weights: Mapping[str, float] | None = None
    metrics: Sequence[Metric] = ()
    alpha: float = 0.05
    planned_subjects: int = 20_000
    minimum_subjects: int = 100
    resamples: int = RESAMPLES
    seed: int = 0
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= 0.2:  # noqa: PLR2004 - more is not a test
            raise InvalidInputError(f"alpha is {self.alpha}, not above 0 and at most 0.2")
        if self.planned_subjects < 1 or self.minimum_subjects < 2:  # noqa: PLR2004 - a variance needs two
            raise InvalidInputError("planned subjects must be 1 or more, minimum subjects 2 or more")
        primary = [metric for metric in self.metrics if metric.role is Role.PRIMARY]
        if self.metrics and len(primary) != 1:
            raise InvalidInputError(f"{len(primary)} primary metrics instead of 1")


@dataclass(frozen=True, slots=True)
class Segment:
    """The primary metric among the subjects with one value of a column."""

    column: str
    value: str
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Challenger:
    """What is known of a challenger."""

    variant: str
    decision: Decision
    primary: Comparison
    guardrails: tuple[Comparison, ...]
    secondary: tuple[Comparison, ...]
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Analysis:
    """An experiment's result.

    Attributes:
        recommendation: Of all challengers: promote if any should be, continue if any should, else roll back.
        promoted: Which to promote: of several, the one whose primary metric gained most.
        segments_left_out: Beyond those that are compared.
    """

    plan: Plan
    recommendation: Recommendation
    promoted: str | None
    challengers: tuple[Challenger, ...]
    sample_ratio: SampleRatio
    first_exposure: datetime | None
    last_exposure: datetime | None
    crossed: int
    from_the_future: int
    segments_left_out: int


def analyse(rows: Sequence[Row], plan: Plan) -> Analysis:
    """Compare every challenger with the control.

    Raises:
        InvalidInputError: The rows or the plan can't be analysed; the message says why.
    """
    weights = _weights(rows, plan)
    population = gather(rows, variants=weights, now=plan.now)
    metrics = _metrics(rows, population.subjects, plan)
    ratio = check_sample_ratio(population.counts(), weights)
    workers = [
        _Comparer(plan, population, weights, metrics, variant)
        for variant in weights
        if variant != plan.control
    ]
    challengers = tuple(worker.challenger(ratio) for worker in workers)
    return _analysis(plan, challengers, ratio, population)


def _analysis(
    plan: Plan, challengers: tuple[Challenger, ...], ratio: SampleRatio, population: Population
) -> Analysis:
    times = [subject.exposed_at for subject in population.subjects]
    best = _best(challengers)
    return Analysis(
        plan=plan,
        recommendation=_overall(challengers),
        promoted=best.variant if best else None,
        challengers=challengers,
        sample_ratio=ratio,
        first_exposure=min(times, default=None),
        last_exposure=max(times, default=None),
        crossed=population.crossed,
        from_the_future=population.from_the_future,
        segments_left_out=max(0, len(segment_values(population.subjects)) - SEGMENTS),
    )


def _overall(challengers: Sequence[Challenger]) -> Recommendation:
    found = {challenger.decision.recommendation for challenger in challengers}
    order = (Recommendation.INVALID, Recommendation.PROMOTE, Recommendation.CONTINUE)
    return next((each for each in order if each in found), Recommendation.ROLL_BACK)


def _best(challengers: Sequence[Challenger]) -> Challenger | None:
    promoted = [c for c in challengers if c.decision.recommendation is Recommendation.PROMOTE]
    return max(promoted, key=_gain, default=None)


def _gain(challenger: Challenger) -> float:
    difference = challenger.primary.difference
    return abs(difference.value) if difference else 0.0


def _weights(rows: Sequence[Row], plan: Plan) -> Mapping[str, float]:
    """Those above 0 of the plan, or equal ones of the variants in the rows."""
    found = sorted({row.variant for row in rows})
    weights = dict.fromkeys(found, 1.0) if plan.weights is None else positive_weights(plan.weights)
    if plan.control not in weights:
        raise InvalidInputError(
            f"no variant is named {plan.control!r}; there are {', '.join(weights) or 'none'}"
        )
    if len(weights) == 1:
        raise InvalidInputError(f"{plan.control} is the only variant: there is nothing to compare it with")
    return weights


def _metrics(rows: Sequence[Row], subjects: Sequence[Subject], plan: Plan) -> tuple[Metric, ...]:
    columns = {column for row in rows for column in row.outcomes}
    lacking = [c for metric in plan.metrics for c in metric.columns if c not in columns]
    if lacking:
        raise InvalidInputError(
            f"no row has {', '.join(lacking)}; there are {', '.join(sorted(columns)) or 'none'}"
        )
    metrics = plan.metrics or [metric for metric in DEFAULTS if columns.issuperset(metric.columns)]
    if not any(metric.role is Role.PRIMARY for metric in metrics):
        raise InvalidInputError("no row has the column converted; name a primary metric")
    return tuple(with_kind(metric, subjects) for metric in metrics)


class _Comparer:
    """Compares one challenger with the control, metric by metric."""

    def __init__(
        self,
        plan: Plan,
        population: Population,
        weights: Mapping[str, float],
        metrics: Sequence[Metric],
        variant: str,
    ) -> None:
        self._plan, self._metrics, self._variant = plan, metrics, variant
        arms = (plan.control, variant)
        self._subjects = [subject for subject in population.subjects if subject.variant in arms]
        planned = {name: plan.planned_subjects * w / sum(weights.values()) for name, w in weights.items()}
        counts = population.counts()
        self._progress = [counts.get(name, 0) / planned[name] for name in arms]
        # Bonferroni: with several challengers, there are several chances to promote one by mistake.
        self._alpha = plan.alpha / (len(weights) - 1)

    def challenger(self, ratio: SampleRatio) -> Challenger:
        by_role = {role: [metric for metric in self._metrics if metric.role is role] for role in Role}
        primary = self._compare(by_role[Role.PRIMARY][0], self._subjects, self._alpha)
        guardrails = tuple(self._compare_each(by_role[Role.GUARDRAIL]))
        return Challenger(
            variant=self._variant,
            decision=decide(primary, guardrails, ratio),
            primary=primary,
            guardrails=guardrails,
            secondary=_adjusted(self._compare_each(by_role[Role.SECONDARY])),
            segments=self._segments(primary.metric),
        )

    def _compare_each(self, metrics: Sequence[Metric]) -> list[Comparison]:
        """Several, so that all their intervals hold together (Bonferroni)."""
        return [self._compare(metric, self._subjects, self._alpha / len(metrics)) for metric in metrics]

    def _segments(self, primary: Metric) -> tuple[Segment, ...]:
        named = segment_values(self._subjects)[:SEGMENTS]
        compared = _adjusted(list(self._segment_comparisons(primary, named)))
        return tuple(Segment(*name, c) for name, c in zip(named, compared, strict=True))

    def _segment_comparisons(self, primary: Metric, named: Sequence[tuple[str, str]]) -> Iterator[Comparison]:
        for name in named:
            own = [subject for subject in self._subjects if is_in(subject, name)]
            yield replace(self._compare(primary, own, self._alpha / len(named)), looks=())

    def _compare(self, metric: Metric, subjects: Sequence[Subject], alpha: float) -> Comparison:
        control, challenger = (sample(metric, subjects, v) for v in (self._plan.control, self._variant))
        settings = Settings(
            alpha=alpha,
            control_progress=self._progress[0],
            challenger_progress=self._progress[1],
            minimum_subjects=self._plan.minimum_subjects,
            single_look=Level(_CONFIDENCE, self._plan.resamples, self._plan.seed),
        )
        return compare(metric, control, challenger, settings)


def _adjusted(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """With p-values corrected for how many there are (Holm, Scandinavian Journal of Statistics 1979)."""
    known = [c.p_value for c in comparisons if c.p_value is not None]
    adjusted = iter(holm(known))
    return tuple(c if c.p_value is None else replace(c, adjusted_p_value=next(adjusted)) for c in comparisons)
