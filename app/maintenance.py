"""The handler of the job that comes round every hour for each tenant, and tidies up."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from app.retention import Retention, forget_what_is_old
from app.worker import Report
from db.pool import Database
from db.repositories import limits, uploads
from db.repositories import retention as pruning
from db.repositories.jobs import Claim
from db.repositories.schedules import Schedule

MAINTAIN = "maintain"
SCHEDULE = Schedule(name="maintain", kind=MAINTAIN, every=timedelta(hours=1))


class MaintenanceHandler:
    """`app.worker.Handler` of the kind "maintain".

    Args:
        database: What to tidy up.
        keep_versions: Versions of a source that stay, the current one counted.
        keep_jobs: How long an ended job can be looked at and tried again.
        retention: How long the rest is kept, where the tenant says nothing else.
    """

    def __init__(
        self, database: Database, *, keep_versions: int, keep_jobs: timedelta, retention: Retention
    ) -> None:
        self._database = database
        self._keep_versions = keep_versions
        self._keep_jobs = keep_jobs
        self._retention = retention

    async def __call__(self, claim: Claim, report: Report) -> Mapping[str, Any]:
        async with self._database.tenant(claim.tenant_id) as connection:
            pruned = await pruning.prune_versions(connection, claim.tenant_id, keep=self._keep_versions)
            await uploads.expire(connection, claim.tenant_id)
            await limits.forget(connection, claim.tenant_id)
            await pruning.forget_jobs(connection, claim.tenant_id, older_than=self._keep_jobs)
        forgotten = await forget_what_is_old(self._database, claim.tenant_id, self._retention)
        return {"versions_pruned": pruned} | forgotten
