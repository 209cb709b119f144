"""The handler of the job that comes round every hour for each tenant, and tidies up."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from app.worker import Report
from db.pool import Database
from db.repositories import retention, uploads
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
    """

    def __init__(self, database: Database, *, keep_versions: int, keep_jobs: timedelta) -> None:
        self._database = database
        self._keep_versions = keep_versions
        self._keep_jobs = keep_jobs

    async def __call__(self, claim: Claim, report: Report) -> Mapping[str, Any]:
        async with self._database.tenant(claim.tenant_id) as connection:
            pruned = await retention.prune_versions(connection, claim.tenant_id, keep=self._keep_versions)
            await uploads.expire(connection, claim.tenant_id)
            await retention.forget_jobs(connection, claim.tenant_id, older_than=self._keep_jobs)
        return {"versions_pruned": pruned}
