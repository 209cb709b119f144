"""The composition root: from settings to running services, and back down in reverse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from langchain_core.documents.compressor import BaseDocumentCompressor

from app.access.api_keys import ApiKeys
from app.access.authenticate import Authenticator, open_authenticator
from app.access.identity import Identity
from app.access.tenants import Tenants
from app.answer_parts import open_answering
from app.answering import Answerer
from app.audit import Audit
from app.debugging.explain import Explainer
from app.debugging.stored import StoredRequests
from app.evaluation.evaluator import Evaluator
from app.evaluation.judges import Judges
from app.evaluation.runs import EvaluationRuns
from app.experiments.manage import Experiments
from app.feedback_export import FeedbackExport
from app.foundation import open_foundation
from app.ingestion.queue import IngestionQueue
from app.ingestion.uploads import Uploads
from app.limits.admission import Limits
from app.limits.choice import choose_limits, has_limits
from app.privacy.parts import Privacy
from app.settings import Settings
from app.shutdown import Shutdown
from app.spaces import Spaces
from app.telemetry.gauges import Gauges
from app.telemetry.parts import Telemetry, open_telemetry
from app.working import working
from db.addresses import DatabaseLogins
from db.pool import Database
from feedback.collect import FeedbackCollector
from feedback.curated import CuratedAnswers
from feedback.events import EventCollector
from feedback.replay import Replayer
from rag.artifacts import Artifacts
from rag.ingest import Ingestor
from rag.models.local import LocalModels
from rag.sandbox.limits import MB


@dataclass(frozen=True, slots=True)
class Services:
    """All that routes and scripts work with. `default_identity` is who asks while nobody logs in."""

    settings: Settings
    shutdown: Shutdown
    telemetry: Telemetry
    gauges: Gauges
    logins: DatabaseLogins
    database: Database
    default_identity: Identity
    authenticator: Authenticator
    keys: ApiKeys
    tenants: Tenants
    limits: Limits
    audit: Audit
    spaces: Spaces
    reranker: BaseDocumentCompressor | None
    answerer: Answerer
    queue: IngestionQueue
    uploads: Uploads
    artifacts: Artifacts
    privacy: Privacy
    evaluator: Evaluator
    judges: Judges
    evaluations: EvaluationRuns
    feedback: FeedbackCollector
    replayer: Replayer
    feedback_export: FeedbackExport
    events: EventCollector
    curated: CuratedAnswers
    explainer: Explainer
    experiments: Experiments

    @property
    def ingestor(self) -> Ingestor:
        """Of the active embedding space."""
        return self.spaces.current.ingestor


@asynccontextmanager
async def open_services(
    settings: Settings, *, local: LocalModels | None = None, shutdown: Shutdown | None = None
) -> AsyncIterator[Services]:
    """Start everything that `settings` name; stop it again, even when a later part fails to start.

    Args:
        settings: What to start.
        local: Models that are loaded already, to be shared with other services of this process.
        shutdown: Tells when the process begins to end, before this is closed.

    Raises:
        UnavailableError: The database can't be started, reached or migrated.
        InvalidInputError: A setting names a model that doesn't exist.
        ModelError: A model can't be loaded or doesn't answer.
    """
    shutdown = shutdown or Shutdown()
    async with AsyncExitStack() as stack:
        telemetry = stack.enter_context(open_telemetry(settings))
        base = await stack.enter_async_context(open_foundation(settings, telemetry, local))
        database, privacy, identity = base.database, base.privacy, base.identity
        audit = Audit(database)
        answering = await stack.enter_async_context(open_answering(settings, base, telemetry, audit))
        queue = IngestionQueue(database, limited=has_limits(settings))
        keys = ApiKeys(database, pepper=settings.api_key_pepper)
        authenticator = await stack.enter_async_context(
            open_authenticator(settings, database, keys, everyone=identity)
        )
        if settings.role != "api":
            await stack.enter_async_context(
                working(settings, base, answering, telemetry, queue=queue, stop=shutdown.begun)
            )
        yield Services(
            settings=settings,
            shutdown=shutdown,
            telemetry=telemetry,
            gauges=base.gauges,
            logins=base.logins,
            database=database,
            default_identity=identity,
            authenticator=authenticator,
            keys=keys,
            tenants=Tenants(database, default_id=identity.tenant_id),
            limits=choose_limits(settings, database),
            audit=audit,
            spaces=base.spaces,
            reranker=answering.reranker,
            answerer=answering.answerer,
            queue=queue,
            uploads=Uploads(
                database,
                queue,
                bucket=settings.documents_bucket,
                max_bytes=settings.max_s3_object_mb * MB,
            ),
            artifacts=base.artifacts,
            privacy=privacy,
            evaluator=answering.evaluator,
            judges=answering.judges,
            evaluations=EvaluationRuns(database, base.artifacts),
            replayer=answering.replayer,
            feedback_export=answering.feedback_export,
            feedback=FeedbackCollector(database, privacy.keys),
            events=EventCollector(database),
            curated=answering.curated,
            explainer=Explainer(
                database,
                StoredRequests(database, privacy.keys),
                base.spaces,
                lambda: base.models.local.encoder,
            ),
            experiments=answering.experiments,
        )
