"""Evaluation runs: what was asked for, each case's result as it comes, and at last what came of the whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from db.pool import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """What a run is asked to do.

    Attributes:
        created_by: Who asked for it.
        groups: Of theirs, that open documents to it.
        dataset_path: Where its questions come from.
        dataset_sha256: Their version.
        model_version: What the caller calls that which is measured.
        num_samples: How many of the questions; None for all.
        seed: Of their choice.
        wanted_metrics: None for all.
        baseline_run_id: The run to compare it with.
    """

    created_by: str | None
    groups: tuple[str, ...]
    dataset_path: str
    dataset_sha256: str
    model_version: str
    num_samples: int | None = None
    seed: int = 0
    wanted_metrics: tuple[str, ...] | None = None
    baseline_run_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun(NewRun):
    """A run as it is stored.

    Attributes:
        run: What is said once about it (`eval.report.results.RunResults` without cases); None until it ends.
        metrics: `<metric>_mean` and `<metric>_std`.
        num_examples: Cases that have a result.
        verdict: The gate's; None until it ends.
        details: What the gate checked.
        job_state: None once the job is forgotten.
    """

    id: UUID
    job_id: UUID | None
    run: Mapping[str, Any] | None
    metrics: Mapping[str, float]
    num_examples: int
    verdict: str | None
    details: Mapping[str, Any]
    created_at: datetime
    finished_at: datetime | None
    job_state: str | None
    job_error: str | None


ADD = """
INSERT INTO evaluation_results (tenant_id, created_by, groups, dataset_path, dataset_sha256, model_version,
    num_samples, seed, wanted_metrics, baseline_run_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id
"""
SET_JOB = "UPDATE evaluation_results SET job_id = $2 WHERE id = $1"
SHOWN = """
SELECT e.id, e.job_id, e.created_by, e.groups, e.dataset_path, e.dataset_sha256, e.model_version,
       e.num_samples, e.seed, e.wanted_metrics, e.baseline_run_id, e.run, e.metrics,
       CASE WHEN e.finished_at IS NULL
           THEN (SELECT count(*) FROM evaluation_cases c WHERE c.run_id = e.id)::integer
           ELSE e.num_examples END AS num_examples,
       e.verdict, e.details, e.created_at, e.finished_at, j.state AS job_state, j.error AS job_error
FROM evaluation_results e LEFT JOIN jobs j ON j.id = e.job_id
"""
# Its answers quote documents: it is shown to whoever may read all that it could.
VISIBLE = "e.groups <@ $2::text[]"
FIND = f"{SHOWN} WHERE e.id = $1"
GET = f"{FIND} AND {VISIBLE}"
PAGE = f"""
{SHOWN}
WHERE e.tenant_id = $1 AND {VISIBLE}
  AND ($3::timestamptz IS NULL OR (e.created_at, e.id) < ($3, $4::uuid))
ORDER BY e.created_at DESC, e.id DESC LIMIT $5
"""
KEEP_CASE = """
INSERT INTO evaluation_cases (tenant_id, run_id, case_id, result) VALUES ($1, $2, $3, $4)
ON CONFLICT (run_id, case_id) DO UPDATE SET result = EXCLUDED.result
"""
CASES = "SELECT result FROM evaluation_cases WHERE run_id = $1 ORDER BY case_id"
FINISH = """
UPDATE evaluation_results SET run = $2, metrics = $3, num_examples = $4, verdict = $5, details = $6,
    finished_at = now()
WHERE id = $1
"""


async def add(connection: Connection, tenant_id: UUID, new: NewRun) -> UUID:
    run_id: UUID = await connection.fetchval(
        ADD,
        tenant_id,
        new.created_by,
        list(new.groups),
        new.dataset_path,
        new.dataset_sha256,
        new.model_version,
        new.num_samples,
        new.seed,
        None if new.wanted_metrics is None else list(new.wanted_metrics),
        new.baseline_run_id,
    )
    return run_id


async def set_job(connection: Connection, run_id: UUID, job_id: UUID) -> None:
    """Say which job does the run."""
    await connection.execute(SET_JOB, run_id, job_id)


async def get(connection: Connection, run_id: UUID, groups: Sequence[str]) -> StoredRun | None:
    """The run, if there is one that these groups may see."""
    row = await connection.fetchrow(GET, run_id, list(groups))
    return _stored(row) if row else None


async def find(connection: Connection, run_id: UUID) -> StoredRun | None:
    """The run, whoever may see it."""
    row = await connection.fetchrow(FIND, run_id)
    return _stored(row) if row else None


async def page(
    connection: Connection,
    tenant_id: UUID,
    groups: Sequence[str],
    *,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
) -> list[StoredRun]:
    """Runs that these groups may see, newest first; those behind `after`."""
    at, last = after or (None, None)
    rows = await connection.fetch(PAGE, tenant_id, list(groups), at, last, limit)
    return [_stored(row) for row in rows]


async def keep_case(
    connection: Connection, tenant_id: UUID, run_id: UUID, case_id: str, result: Mapping[str, Any]
) -> None:
    """Store a case's result, in place of an earlier one."""
    await connection.execute(KEEP_CASE, tenant_id, run_id, case_id, dict(result))


async def cases(connection: Connection, run_id: UUID) -> list[dict[str, Any]]:
    """Results of the run's cases, by their ids."""
    return [row["result"] for row in await connection.fetch(CASES, run_id)]


async def finish(
    connection: Connection,
    run_id: UUID,
    *,
    run: Mapping[str, Any],
    metrics: Mapping[str, float],
    num_examples: int,
    verdict: str,
    details: Mapping[str, Any],
) -> None:
    """Write down what came of the run."""
    await connection.execute(FINISH, run_id, dict(run), dict(metrics), num_examples, verdict, dict(details))


def _stored(row: asyncpg.Record) -> StoredRun:
    values = {field.name: row[field.name] for field in fields(StoredRun)}
    wanted = values["wanted_metrics"]
    return StoredRun(
        **values
        | {"groups": tuple(row["groups"]), "wanted_metrics": None if wanted is None else tuple(wanted)}
    )
