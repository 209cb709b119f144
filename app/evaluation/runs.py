"""Evaluation runs, asked for as jobs and looked at from the API."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.access.identity import Identity
from app.audit import Note, no_note
from app.evaluation.datasets import read_dataset
from app.evaluation.storage import find_baseline, read_run
from db.pool import Connection, Database
from db.repositories import evaluations, jobs
from db.repositories.evaluations import NewRun, StoredRun
from db.repositories.jobs import NewJob
from eval.report.results import RunResults
from rag.artifacts import Artifacts
from rag.errors import ConflictError, NotFoundError

EVALUATE = "evaluate"
PRIORITY = -10  # behind documents, which somebody waits for


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a caller asks for; `db.repositories.evaluations.NewRun` says what each field is."""

    dataset_path: str
    model_version: str
    num_samples: int | None = None
    seed: int = 0
    metrics: tuple[str, ...] | None = None
    baseline_run_id: UUID | None = None


class EvaluationRuns:
    """Runs of all tenants, seen from the API and from scripts.

    Args:
        database: Where they are kept.
        artifacts: Where tenants' own sets lie.
    """

    def __init__(self, database: Database, artifacts: Artifacts) -> None:
        self._database = database
        self._artifacts = artifacts

    async def submit(self, identity: Identity, request: RunRequest, *, note: Note = no_note) -> StoredRun:
        """Queue a run.

        Raises:
            NotFoundError: There is no such set, or no such baseline.
            InvalidInputError: Something in the set is wrong, or the baseline is of another set.
        """
        dataset = await read_dataset(self._artifacts, identity.tenant_id, request.dataset_path)
        new = NewRun(
            created_by=identity.subject,
            groups=identity.groups,
            dataset_path=request.dataset_path,
            dataset_sha256=dataset.version,
            model_version=request.model_version,
            num_samples=request.num_samples,
            seed=request.seed,
            wanted_metrics=request.metrics,
            baseline_run_id=request.baseline_run_id,
        )
        async with self._database.tenant(identity.tenant_id) as connection:
            await find_baseline(connection, new)
            run_id = await evaluations.add(connection, identity.tenant_id, new)
            job = NewJob(EVALUATE, {"run_id": str(run_id)}, subject=identity.subject, priority=PRIORITY)
            job_id = await jobs.add(connection, identity.tenant_id, job)
            await evaluations.set_job(connection, run_id, job_id)
            await note(connection, run_id)
            return await _get(connection, run_id, identity.groups)

    async def get(self, identity: Identity, run_id: UUID) -> StoredRun:
        """Raises: NotFoundError when there is no such run that the caller may see."""
        async with self._database.tenant(identity.tenant_id) as connection:
            return await _get(connection, run_id, identity.groups)

    async def page(
        self, identity: Identity, *, limit: int, after: tuple[datetime, UUID] | None
    ) -> list[StoredRun]:
        async with self._database.tenant(identity.tenant_id) as connection:
            return await evaluations.page(
                connection, identity.tenant_id, identity.groups, limit=limit, after=after
            )

    async def results(self, identity: Identity, run_id: UUID) -> RunResults:
        """All of a run that has ended.

        Raises:
            NotFoundError: There is no such run that the caller may see.
            ConflictError: It has not ended yet.
        """
        async with self._database.tenant(identity.tenant_id) as connection:
            stored = await _get(connection, run_id, identity.groups)
            if stored.run is None:
                raise ConflictError(f"the evaluation run {run_id} has not ended")
            return await read_run(connection, stored)


async def _get(connection: Connection, run_id: UUID, groups: tuple[str, ...]) -> StoredRun:
    stored = await evaluations.get(connection, run_id, groups)
    if stored is None:
        raise NotFoundError(f"there is no evaluation run {run_id}")
    return stored
