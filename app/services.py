"""The composition root: from settings to running services, and back down in reverse."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from langchain_core.documents.compressor import BaseDocumentCompressor

from app import feedback_export, maintenance
from app.access.api_keys import ApiKeys
from app.access.authenticate import Authenticator, open_authenticator
from app.access.identity import Identity
from app.access.tenants import Tenants
from app.answer_store import AnswerStore
from app.answering import Answerer
from app.audit import Audit
from app.debugging.explain import Explainer
from app.debugging.stored import StoredRequests
from app.evaluation.evaluator import Evaluator
from app.evaluation.handler import EvaluationHandler
from app.evaluation.judges import Judges
from app.evaluation.runs import EVALUATE, EvaluationRuns
from app.experiments.manage import Experiments
from app.experiments.parts import Experimenting, experimenting
from app.feedback_export import EXPORT_FEEDBACK, FeedbackExport, FeedbackExportHandler
from app.ingestion.events import following_bucket
from app.ingestion.handler import IngestHandler
from app.ingestion.parsers import open_parser
from app.ingestion.policy import default_policy
from app.ingestion.queue import INGEST, IngestionQueue
from app.ingestion.uploads import Uploads
from app.limits.admission import Limits
from app.limits.choice import choose_limits, has_limits
from app.maintenance import MAINTAIN, MaintenanceHandler
from app.model_options import model_options
from app.online_quality import QualityRecorder
from app.privacy import sweep
from app.privacy.parts import Privacy
from app.retention import Retention
from app.secrets import LiveSettings, refreshing
from app.settings import Settings
from app.shutdown import Shutdown
from app.spaces import Spaces, following
from app.telemetry.gauges import Gauges, watching
from app.telemetry.parts import Telemetry, open_telemetry
from app.telemetry.recording import AnswerRecorder
from app.worker import Handler, Worker, running
from db.addresses import DatabaseLogins
from db.bootstrap import embedded_database
from db.embedding_spaces import ensure_embedding_space
from db.migrate import migrate
from db.notifications import listen
from db.pool import Database, open_database
from db.reindex import reindex_words
from db.replica import open_replicated_database
from db.repositories import tenants
from db.repositories.jobs import CHANNEL
from feedback.collect import FeedbackCollector
from feedback.curated import CuratedAnswers
from feedback.curated_lookup import CuratedLookup
from feedback.events import EventCollector
from feedback.quality.monitor import OnlineQuality
from feedback.replay import Replayer
from graph.build import AnswerGraph, build_answer_graph
from graph.state import AnswerContext
from observability.metrics import Metrics
from rag.artifacts import Artifacts, LocalArtifacts, S3Artifacts
from rag.ingest import IngestionPolicy, Ingestor
from rag.models.local import LocalModels
from rag.models.registry import Models
from rag.models.types import EmbeddingModel
from rag.privacy import LocalDetector, PersonalDataDetector
from rag.privacy.comprehend import load_comprehend
from rag.prompts import load_prompt
from rag.sandbox.limits import MB

log = structlog.get_logger(__name__)


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
        models = Models(model_options(settings), local)
        stack.push_async_callback(models.close)
        loading = asyncio.create_task(asyncio.to_thread(models.embedding_model, settings.embedding_model))
        stack.push_async_callback(_settle, loading)
        live = LiveSettings(settings)
        await stack.enter_async_context(refreshing(live))
        logins = live.database_logins()
        if logins is None:
            logins = await stack.enter_async_context(embedded_database(settings.data_dir))
        embedding = await loading
        if settings.migrate_on_start:
            await prepare_schema(logins, embedding)
        database = await stack.enter_async_context(
            open_replicated_database(
                logins,
                app_connections=settings.db_connections,
                max_lag_s=settings.database_read_max_lag_s,
            )
        )
        gauges = Gauges(telemetry.metrics, database, models.guards)
        await stack.enter_async_context(watching(gauges, telemetry, settings))
        policy = default_policy(settings)
        artifacts = _artifacts(settings)
        privacy = Privacy.of(settings, database, artifacts)
        spaces = Spaces(
            database,
            parser=await stack.enter_async_context(open_parser(settings)),
            detector=_detector(settings),
            policy=policy,
            load=models.embedding_model,
        )
        await spaces.refresh(loaded=embedding)
        if (active := spaces.current.model.name) != settings.embedding_model:
            log.warning("embedding_model_is_not_active", active=active, configured=settings.embedding_model)
        await stack.enter_async_context(following(spaces))
        identity = await _default_identity(database)
        keys = ApiKeys(database, pepper=settings.api_key_pepper)
        reranker = await asyncio.to_thread(models.reranker, settings.rerank_model)
        context = AnswerContext(
            scope=identity.scope(),
            retriever=spaces,
            reranker=reranker,
            chat_models=await asyncio.to_thread(models.chat_models, settings.chat_model),
            prompt=load_prompt(settings.answer_prompt),
            context_tokens=settings.context_tokens,
            relevance_floor=settings.relevance_floor,
            guardrail=await asyncio.to_thread(models.guardrail),
            suppressed=tuple(settings.suppress.split("|")),
        )
        queue = IngestionQueue(database, limited=has_limits(settings))
        graph = build_answer_graph()
        lookup = CuratedLookup(database, lambda: spaces.current, threshold=settings.curated_threshold)
        stack.push_async_callback(lookup.close)
        evaluator = Evaluator(
            database, graph=graph, context=context, spaces=spaces, local=models.local, settings=settings
        )
        replayer = Replayer(graph, context, top_k=settings.top_k, timeout_s=settings.request_timeout_s)
        exporter = FeedbackExport(
            database, artifacts, replayer, keys=privacy.keys, local=models.local, settings=settings
        )
        audit = Audit(database)
        online = await stack.enter_async_context(
            experimenting(settings, database, graph=graph, context=context, models=models, audit=audit)
        )
        judges = Judges(settings)
        stack.push_async_callback(judges.close)
        if settings.role != "api":
            handlers = {
                **_handlers(settings, database, spaces, policy, telemetry.metrics),
                **privacy.handlers(),
                EVALUATE: EvaluationHandler(database, artifacts, evaluator, judges, telemetry.metrics),
                EXPORT_FEEDBACK: FeedbackExportHandler(exporter),
            }
            await stack.enter_async_context(
                _working(settings, database, logins, handlers, telemetry, stop=shutdown.begun)
            )
            await stack.enter_async_context(following_bucket(settings, queue, identity.writer()))
        watch = OnlineQuality(
            database,
            lambda: models.local.encoder,
            sample=settings.online_quality_sample,
            listener=QualityRecorder(telemetry.metrics),
        )
        await stack.enter_async_context(watch.running())
        yield Services(
            settings=settings,
            shutdown=shutdown,
            telemetry=telemetry,
            gauges=gauges,
            logins=logins,
            database=database,
            default_identity=identity,
            authenticator=await stack.enter_async_context(
                open_authenticator(settings, database, keys, everyone=identity)
            ),
            keys=keys,
            tenants=Tenants(database, default_id=identity.tenant_id),
            limits=choose_limits(settings, database),
            audit=audit,
            spaces=spaces,
            reranker=reranker,
            answerer=_answerer(
                settings,
                database,
                graph=graph,
                context=context,
                spaces=spaces,
                privacy=privacy,
                curated=lookup,
                online=online,
                telemetry=telemetry,
                watch=watch,
            ),
            queue=queue,
            uploads=Uploads(
                database,
                queue,
                bucket=settings.documents_bucket,
                max_bytes=settings.max_s3_object_mb * MB,
            ),
            artifacts=artifacts,
            privacy=privacy,
            evaluator=evaluator,
            judges=judges,
            evaluations=EvaluationRuns(database, artifacts),
            replayer=replayer,
            feedback_export=exporter,
            feedback=FeedbackCollector(database, privacy.keys),
            events=EventCollector(database),
            curated=CuratedAnswers(database, lambda: spaces.current, lookup),
            explainer=Explainer(
                database,
                StoredRequests(database, privacy.keys),
                spaces,
                lambda: models.local.encoder,
            ),
            experiments=online.experiments,
        )


def _artifacts(settings: Settings) -> Artifacts:
    if settings.artifacts_bucket is None:
        return LocalArtifacts(settings.data_dir / "artifacts")
    return S3Artifacts(settings.artifacts_bucket, kms_key=settings.artifacts_kms_key)


def _detector(settings: Settings) -> PersonalDataDetector:
    local = LocalDetector()
    return local if settings.personal_data_detector == "local" else load_comprehend(local=local)


def _handlers(
    settings: Settings, database: Database, spaces: Spaces, policy: IngestionPolicy, metrics: Metrics
) -> dict[str, Handler]:
    """What a worker can do, by the kind of job."""
    return {
        INGEST: IngestHandler(
            database,
            spaces,
            policy,
            bucket=settings.documents_bucket,
            max_object_bytes=settings.max_s3_object_mb * MB,
            limited=has_limits(settings),
            metrics=metrics,
        ),
        MAINTAIN: MaintenanceHandler(
            database,
            keep_versions=settings.keep_versions,
            keep_jobs=timedelta(days=settings.keep_jobs_days),
            retention=Retention.of(settings),
        ),
    }


@asynccontextmanager
async def _working(
    settings: Settings,
    database: Database,
    logins: DatabaseLogins,
    handlers: Mapping[str, Handler],
    telemetry: Telemetry,
    *,
    stop: asyncio.Event,
) -> AsyncIterator[None]:
    async with listen(logins.system, CHANNEL) as wake:
        worker = Worker(
            database,
            handlers,
            slots=settings.worker_slots,
            wake=wake,
            schedules=[maintenance.SCHEDULE, sweep.SCHEDULE, feedback_export.SCHEDULE],
            lease=timedelta(seconds=settings.job_lease_s),
            telemetry=telemetry,
        )
        async with running(worker, stop=stop):
            yield


async def _default_identity(database: Database) -> Identity:
    async with database.system() as connection:
        return Identity((await tenants.ensure(connection, slug="default", name="Default")).id)


async def _settle(task: "asyncio.Task[EmbeddingModel]") -> None:
    await asyncio.gather(task, return_exceptions=True)


async def prepare_schema(logins: DatabaseLogins, embedding: EmbeddingModel) -> None:
    """Bring the schema to the newest version, with a space for the embedding model's vectors.

    What was indexed by an earlier version is indexed anew, which takes about a second for a thousand chunks.
    A search finds a source when its turn has come.
    """
    await migrate(logins.owner)
    async with open_database(logins, app_connections=1) as database:
        async with database.system() as connection:
            untouched = await tenants.are_untouched(connection)
        await ensure_embedding_space(
            logins.owner, model=embedding.name, dimensions=embedding.dimensions, take_over=untouched
        )
        await reindex_words(database)


def _answerer(
    settings: Settings,
    database: Database,
    *,
    graph: AnswerGraph,
    context: AnswerContext,
    spaces: Spaces,
    privacy: Privacy,
    curated: CuratedLookup,
    online: Experimenting,
    telemetry: Telemetry,
    watch: OnlineQuality,
) -> Answerer:
    store = AnswerStore(
        database,
        embedding_model=lambda: spaces.current.model.name,
        store_text=settings.store_text,
    )
    return Answerer(
        database,
        store,
        graph,
        context,
        questions=privacy.questions,
        keys=privacy.keys,
        top_k=settings.top_k,
        timeout_s=settings.request_timeout_s,
        curated=curated,
        experiments=online.running,
        shadow=online.shadow,
        recorder=AnswerRecorder(telemetry.metrics, log_text=settings.log_text),
        observer=watch if settings.online_quality_sample else None,
    )
