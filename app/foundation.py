"""What everything else of the service stands on: database, models, and the corpus as it is searched."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

from app.access.identity import Identity
from app.ingestion.parsers import open_parser
from app.ingestion.policy import default_policy
from app.model_options import model_options
from app.privacy.parts import Privacy
from app.secrets import LiveSettings, refreshing
from app.settings import Settings
from app.spaces import Spaces, following
from app.telemetry.gauges import Gauges, watching
from app.telemetry.parts import Telemetry
from db.addresses import DatabaseLogins
from db.bootstrap import embedded_database
from db.embedding_spaces import ensure_embedding_space
from db.migrate import migrate
from db.pool import Database, open_database
from db.reindex import reindex_words
from db.replica import open_replicated_database
from db.repositories import tenants
from rag.artifacts import Artifacts, LocalArtifacts, S3Artifacts
from rag.ingest import IngestionPolicy
from rag.models.local import LocalModels
from rag.models.registry import Models
from rag.models.types import EmbeddingModel
from rag.privacy import LocalDetector, PersonalDataDetector
from rag.privacy.comprehend import load_comprehend

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Foundation:
    """Parts that all others use. `identity` is who asks while nobody logs in."""

    models: Models
    logins: DatabaseLogins
    database: Database
    gauges: Gauges
    artifacts: Artifacts
    privacy: Privacy
    policy: IngestionPolicy
    spaces: Spaces
    identity: Identity


@asynccontextmanager
async def open_foundation(
    settings: Settings, telemetry: Telemetry, local: LocalModels | None
) -> AsyncIterator[Foundation]:
    """Start it; stop it again, even when a later part fails to start.

    Raises:
        UnavailableError: The database can't be started, reached or migrated.
        InvalidInputError: A setting names a model that doesn't exist.
        ModelError: A model can't be loaded or doesn't answer.
    """
    async with AsyncExitStack() as stack:
        models = Models(model_options(settings), local)
        stack.push_async_callback(models.close)
        loading = asyncio.create_task(asyncio.to_thread(models.embedding_model, settings.embedding_model))
        stack.push_async_callback(_settle, loading)
        logins = await stack.enter_async_context(_logins(settings))
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
        artifacts, policy = _artifacts(settings), default_policy(settings)
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
        yield Foundation(
            models=models,
            logins=logins,
            database=database,
            gauges=gauges,
            artifacts=artifacts,
            privacy=Privacy.of(settings, database, artifacts),
            policy=policy,
            spaces=spaces,
            identity=await _default_identity(database),
        )


@asynccontextmanager
async def _logins(settings: Settings) -> AsyncIterator[DatabaseLogins]:
    """Of the configured database, whose secrets are followed, or of the embedded one, which is started."""
    live = LiveSettings(settings)
    async with refreshing(live):
        if (logins := live.database_logins()) is not None:
            yield logins
            return
        async with embedded_database(settings.data_dir) as own:
            yield own


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


def _artifacts(settings: Settings) -> Artifacts:
    if settings.artifacts_bucket is None:
        return LocalArtifacts(settings.data_dir / "artifacts")
    return S3Artifacts(settings.artifacts_bucket, kms_key=settings.artifacts_kms_key)


def _detector(settings: Settings) -> PersonalDataDetector:
    local = LocalDetector()
    return local if settings.personal_data_detector == "local" else load_comprehend(local=local)


async def _default_identity(database: Database) -> Identity:
    async with database.system() as connection:
        return Identity((await tenants.ensure(connection, slug="default", name="Default")).id)


async def _settle(task: "asyncio.Task[EmbeddingModel]") -> None:
    await asyncio.gather(task, return_exceptions=True)
