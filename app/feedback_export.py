"""The nightly job that exports what went wrong, and the same on demand."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from app.asked import narrowed
from app.evaluation.datasets import artifact_name
from app.metering import metered
from app.privacy.field_keys import FieldKeys
from app.privacy.sealed import key_versions, unsealed_row
from app.settings import Settings
from app.worker import Report
from db.pool import Database
from db.repositories.jobs import Claim
from db.repositories.schedules import Schedule
from db.repositories.usage import Origin, RequestKind
from feedback.replay import Replayer
from feedback.triage.examine import TriageExaminer
from feedback.triage.export import ExportLimits, ExportOutcome, FeedbackExporter
from feedback.triage.reading import Row, TriageReader, Unseal
from feedback.triage.redact import redactor
from rag.artifacts import Artifacts
from rag.models.local import LocalModels
from rag.ports import SearchScope
from rag.privacy import LocalDetector

EXPORT_FEEDBACK = "export_feedback"
SCHEDULE = Schedule(name=EXPORT_FEEDBACK, kind=EXPORT_FEEDBACK, every=timedelta(days=1))
FOLDER = "feedback-derived"  # of a tenant's evaluation sets


def unsealing(keys: FieldKeys) -> Unseal:
    """Opens stored texts with the tenants' keys."""

    async def unseal(tenant_id: UUID, table: str, rows: Sequence[Row]) -> list[Row]:
        ring = await keys.ring(tenant_id, reading=key_versions(table, rows))
        return [unsealed_row(ring, table, row) for row in rows]

    return unseal


class FeedbackExport:
    """Exports what went wrong, by the service's own settings and models.

    Args:
        database: Of the requests.
        artifacts: Where files go.
        replayer: Searches as `/chat` does.
        keys: Open stored texts.
        local: Of its model questions and passages are read.
        settings: How much is exported.
    """

    def __init__(
        self,
        database: Database,
        artifacts: Artifacts,
        replayer: Replayer,
        *,
        keys: FieldKeys,
        local: LocalModels,
        settings: Settings,
    ) -> None:
        self.reader = TriageReader(database, unsealing(keys), narrowed)
        self._database = database
        self._artifacts = artifacts
        self._replayer = replayer
        self._local = local
        self._settings = settings

    @property
    def limits(self) -> ExportLimits:
        """By the settings."""
        settings = self._settings
        return ExportLimits(
            fewest=settings.feedback_export_min,
            most=settings.feedback_export_max,
            within=timedelta(days=settings.feedback_export_days),
        )

    async def export(
        self, scope: SearchScope, limits: ExportLimits | None = None, *, job_id: UUID | None = None
    ) -> ExportOutcome:
        """Write the tenant's cases, unless there are too few.

        Args:
            scope: The tenant, and the groups whose documents may be quoted.
            limits: How much; by the settings unless given.
            job_id: Of the job that it is.

        Raises:
            UnavailableError: The files or the database can't be reached; nothing is lost.
            GroundworkError: The search failed.
        """
        encoder = self._local.encoder
        exporter = FeedbackExporter(
            self.reader,
            TriageExaminer(self.reader, self._replayer, encoder),
            self._artifacts,
            encoder=encoder,
            redact=redactor(LocalDetector()),
        )
        folder = artifact_name(scope.tenant_id, FOLDER)
        async with metered(self._database, scope.tenant_id, RequestKind.EVALUATION, Origin(job_id=job_id)):
            return await exporter.export(scope, folder, limits or self.limits)


class FeedbackExportHandler:
    """`app.worker.Handler` of the kind "export_feedback": of documents without an access list."""

    def __init__(self, export: FeedbackExport) -> None:
        self._export = export

    async def __call__(self, claim: Claim, report: Report) -> Mapping[str, Any]:
        outcome = await self._export.export(SearchScope(claim.tenant_id), job_id=claim.id)
        return asdict(outcome)
