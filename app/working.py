"""What a process does in the background when it is a worker: jobs, schedules, and events of the bucket."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from app import feedback_export, maintenance
from app.answer_parts import Answering
from app.evaluation.handler import EvaluationHandler
from app.evaluation.runs import EVALUATE
from app.feedback_export import EXPORT_FEEDBACK, FeedbackExportHandler
from app.foundation import Foundation
from app.ingestion.events import following_bucket
from app.ingestion.handler import IngestHandler
from app.ingestion.queue import INGEST, IngestionQueue
from app.limits.choice import has_limits
from app.maintenance import MAINTAIN, MaintenanceHandler
from app.privacy import sweep
from app.retention import Retention
from app.settings import Settings
from app.telemetry.parts import Telemetry
from app.worker import Handler, Worker, running
from db.notifications import listen
from db.repositories.jobs import CHANNEL
from rag.sandbox.limits import MB


@asynccontextmanager
async def working(
    settings: Settings,
    base: Foundation,
    answering: Answering,
    telemetry: Telemetry,
    *,
    queue: IngestionQueue,
    stop: asyncio.Event,
) -> AsyncIterator[None]:
    """Work off jobs; from when `stop` is set, take no more and hand back what isn't finished."""
    async with listen(base.logins.system, CHANNEL) as wake:
        worker = Worker(
            base.database,
            _handlers(settings, base, answering, telemetry),
            slots=settings.worker_slots,
            wake=wake,
            schedules=[maintenance.SCHEDULE, sweep.SCHEDULE, feedback_export.SCHEDULE],
            lease=timedelta(seconds=settings.job_lease_s),
            telemetry=telemetry,
        )
        async with (
            running(worker, stop=stop),
            following_bucket(settings, queue, base.identity.writer()),
        ):
            yield


def _handlers(
    settings: Settings, base: Foundation, answering: Answering, telemetry: Telemetry
) -> Mapping[str, Handler]:
    """What a worker can do, by the kind of job."""
    return {
        INGEST: IngestHandler(
            base.database,
            base.spaces,
            base.policy,
            bucket=settings.documents_bucket,
            max_object_bytes=settings.max_s3_object_mb * MB,
            limited=has_limits(settings),
            metrics=telemetry.metrics,
        ),
        MAINTAIN: MaintenanceHandler(
            base.database,
            keep_versions=settings.keep_versions,
            keep_jobs=timedelta(days=settings.keep_jobs_days),
            retention=Retention.of(settings),
        ),
        EVALUATE: EvaluationHandler(
            base.database, base.artifacts, answering.evaluator, answering.judges, telemetry.metrics
        ),
        EXPORT_FEEDBACK: FeedbackExportHandler(answering.feedback_export),
        **base.privacy.handlers(),
    }
