"""What `/eval` takes and gives."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from app.evaluation.runs import RunRequest
from app.field_types import IsNumber, Name, Request, Text
from db.repositories.evaluations import StoredRun
from db.repositories.jobs import JobState
from eval.gate import Verdict

MAX_SEED = 2**31 - 1

Label = Annotated[Text, Field(min_length=1, max_length=200, pattern=r"^[ -~]*[!-~][ -~]*$")]
MetricName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_@.\-]{0,63}$")]


class EvaluationRequest(Request):
    """A run of an evaluation set.

    Attributes:
        dataset_path: A set that ships with the service, such as "handbook.jsonl", or one of the tenant's own.
        num_samples: How many of its questions; all unless given.
        model_version: Your name for what is measured.
        metrics: Those to keep; all unless given.
        seed: Of the questions' choice.
        baseline_run_id: A run of the same set, to compare this one with.
    """

    dataset_path: Name
    num_samples: Annotated[int, Field(ge=1, le=100_000), IsNumber] | None = None
    model_version: Label = "current"
    metrics: Annotated[list[MetricName], Field(min_length=1, max_length=50)] | None = None
    seed: Annotated[int, Field(ge=0, le=MAX_SEED), IsNumber] = 0
    baseline_run_id: UUID | None = None

    def to_run(self) -> RunRequest:
        return RunRequest(
            dataset_path=self.dataset_path,
            model_version=self.model_version,
            num_samples=self.num_samples,
            seed=self.seed,
            metrics=None if self.metrics is None else tuple(dict.fromkeys(self.metrics)),
            baseline_run_id=self.baseline_run_id,
        )


class EvaluationRun(BaseModel):
    """A run, and once it has ended what came of it.

    Attributes:
        state: `failed` also where the job was lost.
        metrics: `<metric>_mean` and `<metric>_std`.
        num_examples: Questions that have a result so far.
        passed: Whether the verdict is pass or warn; null until the run has ended.
        details: What the gate checked, and how many questions could not be answered.
    """

    eval_run_id: UUID
    job_id: UUID | None
    state: JobState
    error: str | None
    dataset_path: str
    dataset_sha256: str
    model_version: str
    metrics: dict[str, float]
    num_examples: int
    passed: bool | None
    verdict: Verdict | None
    details: dict[str, Any]
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, stored: StoredRun) -> Self:
        verdict = None if stored.verdict is None else Verdict(stored.verdict)
        return cls(
            eval_run_id=stored.id,
            job_id=stored.job_id,
            state=_state(stored),
            error=None if stored.finished_at else stored.job_error,
            dataset_path=stored.dataset_path,
            dataset_sha256=stored.dataset_sha256,
            model_version=stored.model_version,
            metrics=dict(stored.metrics),
            num_examples=stored.num_examples,
            passed=None if verdict is None else verdict in {Verdict.PASS, Verdict.WARN},
            verdict=verdict,
            details=dict(stored.details),
            created_at=stored.created_at,
            finished_at=stored.finished_at,
        )


class EvaluationRunPage(BaseModel):
    runs: list[EvaluationRun]
    next_cursor: str | None


def _state(stored: StoredRun) -> JobState:
    if stored.finished_at is not None:
        return JobState.SUCCEEDED
    return JobState(stored.job_state) if stored.job_state else JobState.FAILED
