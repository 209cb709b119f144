"""The run that others are compared with: its file, and the comparison case by case."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import AwareDatetime, Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked_dataclass

from eval.metrics import Interval
from eval.report.results import CHECKED, Name, RunResults, read_json, write_json
from eval.statistics import Scores, minimum_detectable_effect, paired_interval, permutation_test
from rag.errors import InvalidInputError

JUDGE = "judge"  # the role of the model that scores answers: another one measures otherwise


@checked_dataclass(frozen=True, slots=True, kw_only=True, config=CHECKED)
class BaselineChange:
    """Why a run became the baseline, and with which means."""

    reason: Annotated[str, Field(min_length=1)]
    changed_at: AwareDatetime
    run_id: Name
    git_revision: Name
    means: Mapping[str, float]
    below_floor: bool = False


@checked_dataclass(frozen=True, slots=True, kw_only=True, config=CHECKED)
class Baseline:
    """The run, and how it came to be the baseline, oldest change first."""

    run: RunResults
    history: tuple[BaselineChange, ...]


@dataclass(frozen=True, slots=True)
class MetricChange:
    """A metric of two runs on the cases that both measured.

    Attributes:
        pairs: How many these are.
        changed: Pairs whose scores differ.
        baseline_mean, candidate_mean: Over the pairs.
        difference: Candidate less baseline.
        p_value: Of the permutation test, two-sided.
        detectable: The minimum detectable effect at a chance of 80 %.
        deviation: Standard deviation of the pairs' differences.
    """

    metric: str
    pairs: int
    changed: int
    baseline_mean: float
    candidate_mean: float
    difference: Interval
    p_value: float
    detectable: float
    deviation: float

    def has_dropped(self, confidence: float) -> bool:
        """Whether the interval lies below zero, and the permutation test agrees.

        Where few cases differ, the interval alone is below zero up to four times as often as it should be.
        """
        return self.difference.high < 0 and self.p_value <= 1 - confidence


@dataclass(frozen=True, slots=True)
class Pairs:
    """Scores of the cases that two runs both measured, in the same order.

    Attributes:
        applicable: How many cases either run lists the metric for, without those that were left out.
        in_baseline: Whether the baseline lists it at all.
    """

    metric: str
    case_ids: tuple[str, ...]
    baseline: Scores
    candidate: Scores
    applicable: int
    in_baseline: bool


_BASELINE: TypeAdapter[Baseline] = TypeAdapter(Baseline)


def read_baseline(path: Path) -> Baseline:
    """The baseline that a file holds.

    Raises:
        InvalidInputError: The file can't be read, or something in it is wrong; the message names its place.
    """
    return read_json(path, _BASELINE)


def write_baseline(baseline: Baseline, path: Path) -> None:
    write_json(baseline, path, _BASELINE)


def replace_baseline(
    old: Baseline | None, run: RunResults, *, reason: str, now: datetime, below_floor: bool = False
) -> Baseline:
    """The run as the new baseline, with the old one's history.

    Raises:
        InvalidInputError: The reason is blank.
    """
    if not reason.strip():
        raise InvalidInputError("say why the baseline changes: the reason is blank")
    change = BaselineChange(
        reason=reason.strip(),
        changed_at=now,
        run_id=run.id,
        git_revision=run.git_revision,
        means=means(run),
        below_floor=below_floor,
    )
    return Baseline(run=run, history=(*(old.history if old else ()), change))


def means(run: RunResults) -> dict[str, float]:
    """Of each metric that was measured at all."""
    measured = {name: measured_scores(run, name) for name in run.metric_names}
    return {name: float(scores.mean()) for name, scores in measured.items() if scores.size}


def measured_scores(run: RunResults, metric: str) -> Scores:
    return np.array([score for score in run.scores(metric).values() if score is not None])


def check_comparable(baseline: RunResults, candidate: RunResults) -> None:
    """Refuse what would compare different questions or different measures.

    Raises:
        InvalidInputError: The runs are of different data sets, or versions of one, or of different judges.
    """
    if baseline.dataset != candidate.dataset:
        raise InvalidInputError(
            f"the baseline {baseline.id!r} is of another data set: "
            f"{_named(baseline)}, not {_named(candidate)}. Make a new baseline"
        )
    judges = [run.configuration.models.get(JUDGE) for run in (baseline, candidate)]
    if judges[0] != judges[1]:
        raise InvalidInputError(
            f"the baseline {baseline.id!r} was judged by {judges[0] or 'no model'}, this run by "
            f"{judges[1] or 'no model'}: their scores can't be compared. Make a new baseline"
        )


def _named(run: RunResults) -> str:
    return f"{run.dataset.name!r} ({run.dataset.sha256[:12]})"


def pair_scores(
    metric: str, baseline: RunResults, candidate: RunResults, *, conditional: bool = False
) -> Pairs:
    """The scores to compare.

    Args:
        metric: Its name.
        baseline: The run before.
        candidate: The run after.
        conditional: Whether the metric may apply to a case in one run alone, as where the other abstained;
            such a case is left out. Otherwise it counts as one that wasn't measured.
    """
    before, after = baseline.scores(metric), candidate.scores(metric)
    left_out = _only_once(baseline, before, candidate, after) if conditional else set()
    ids = [case for case in before if before[case] is not None and after.get(case) is not None]
    return Pairs(
        metric,
        tuple(ids),
        np.array([before[case] for case in ids], float),
        np.array([after[case] for case in ids], float),
        applicable=len((before.keys() | after.keys()) - left_out),
        in_baseline=bool(before),
    )


def _only_once(
    baseline: RunResults, before: Collection[str], candidate: RunResults, after: Collection[str]
) -> set[str]:
    """Cases of both runs that the metric applies to in one alone."""
    in_both = {case.id for case in baseline.cases} & {case.id for case in candidate.cases}
    return {case for case in in_both if (case in before) != (case in after)}


def compare_pairs(pairs: Pairs, *, confidence: float, resamples: int, seed: int) -> MetricChange:
    """The change on at least two pairs."""
    differences = pairs.candidate - pairs.baseline
    deviation = float(differences.std(ddof=1))
    return MetricChange(
        metric=pairs.metric,
        pairs=len(pairs.case_ids),
        changed=int(np.count_nonzero(differences)),
        baseline_mean=float(pairs.baseline.mean()),
        candidate_mean=float(pairs.candidate.mean()),
        difference=paired_interval(
            pairs.baseline, pairs.candidate, confidence=confidence, resamples=resamples, seed=seed
        ),
        p_value=permutation_test(differences, resamples=resamples, seed=seed),
        detectable=minimum_detectable_effect(differences.size, deviation, confidence=confidence),
        deviation=deviation,
    )


def configuration_changes(baseline: RunResults, candidate: RunResults) -> Sequence[tuple[str, str, str]]:
    """Name, baseline's and candidate's value of all that was configured otherwise."""
    before, after = _flat(baseline), _flat(candidate)
    names = sorted(before.keys() | after.keys())
    return [
        (name, before.get(name, "none"), after.get(name, "none"))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _flat(run: RunResults) -> dict[str, str]:
    own = run.configuration
    return {
        "git revision": run.git_revision,
        "seed": str(run.seed),
        "prompt version": own.prompt_version,
        "index version": own.index_version,
        "strategy": own.strategy,
        **{f"{role} model": model for role, model in own.models.items()},
        **{name: str(value) for name, value in own.other.items()},
    }
