"""Runs for tests."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from eval.baseline import Baseline
from eval.report.results import CaseResult, Configuration, DatasetVersion, RunResults

CREATED = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
HASH = "ab" * 32
FLOORED = ("faithfulness", "contextual_relevancy", "answer_relevancy")


def make_case(number: int, metrics: Mapping[str, float | None], **fields: object) -> CaseResult:
    missing = {name: "the judge timed out" for name, score in metrics.items() if score is None}
    case = CaseResult(id=f"q{number}", question=f"Question {number}?", metrics=metrics, not_measured=missing)
    return replace(case, **fields)  # type: ignore[arg-type]  # names of its fields


def make_run(
    cases: Sequence[CaseResult], *, run_id: str = "run-1", sha256: str = HASH, **models: str
) -> RunResults:
    return RunResults(
        id=run_id,
        created_at=CREATED,
        dataset=DatasetVersion(name="handbook", sha256=sha256),
        configuration=Configuration(
            models={"chat": "local:extractive", **models},
            prompt_version="1",
            index_version="7",
            strategy="hybrid",
        ),
        git_revision="0f3c2aa",
        seed=0,
        cases=tuple(cases),
    )


def run_of(
    scores: Mapping[str, Sequence[float | None]], *, run_id: str = "run-1", **models: str
) -> RunResults:
    """A run with these scores of each metric, case by case."""
    rows = zip(*scores.values(), strict=True)
    cases = [make_case(at, dict(zip(scores, row, strict=True))) for at, row in enumerate(rows)]
    return make_run(cases, run_id=run_id, **models)


def good_run(**changed: Sequence[float | None]) -> RunResults:
    """A run of 200 cases above all floors, but for the metrics given."""
    return run_of({**{name: [0.9] * 200 for name in FLOORED}, **changed})


def baseline_of(run: RunResults) -> Baseline:
    return Baseline(run=run, history=())
