"""The handler of the job that comes round every hour for each tenant, and deletes exports that are old."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from app.privacy.export import ExportFiles
from app.worker import Report
from db.pool import Database
from db.repositories import jobs, subjects
from db.repositories.jobs import Claim
from db.repositories.schedules import Schedule

SWEEP = "sweep_exports"
SCHEDULE = Schedule(name=SWEEP, kind=SWEEP, every=timedelta(hours=1))
KEPT = timedelta(
    days=7
)  # an export holds everything about somebody: it is there to be fetched, not to be kept


class SweepHandler:
    """`app.worker.Handler` of the kind "sweep_exports".

    Args:
        database: Knows which exports there are.
        files: What they have written.
        kept: How long an export can be fetched.
    """

    def __init__(self, database: Database, files: ExportFiles, *, kept: timedelta = KEPT) -> None:
        self._database = database
        self._files = files
        self._kept = kept

    async def __call__(self, claim: Claim, report: Report) -> Mapping[str, Any]:
        tenant_id = claim.tenant_id
        deleted = 0
        for job_id in sorted(await self._files.job_ids(tenant_id)):
            async with self._database.tenant(tenant_id) as connection:
                job = await jobs.get(connection, job_id)
            ended = job.finished_at if job else datetime.min.replace(tzinfo=UTC)
            if ended is not None and ended < datetime.now(UTC) - self._kept:
                deleted += await self._files.delete(tenant_id, job_id)
        async with self._database.tenant(tenant_id) as connection:
            await subjects.forget_marks(connection, tenant_id)
        return {"files_deleted": deleted}
