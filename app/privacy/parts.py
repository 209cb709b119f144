"""What of privacy the service works with, put together."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self
from uuid import UUID

from app.access.brief_cache import BriefCache
from app.privacy import sweep
from app.privacy.erasure import EraseHandler
from app.privacy.export import ExportFiles, ExportHandler
from app.privacy.field_keys import FieldKeys, open_field_keys
from app.privacy.jobs import PrivacyJobs, PrivacyKind
from app.privacy.sweep import SweepHandler
from app.settings import Settings
from app.worker import Handler
from db.pool import Database
from db.repositories import tenants
from rag.artifacts import Artifacts
from rag.privacy import LocalDetector
from rag.privacy.questions import QuestionRedactor


@dataclass(frozen=True, slots=True)
class Privacy:
    """Redaction of questions, keys of sealed texts, and exports and erasures."""

    database: Database
    questions: QuestionRedactor
    recent_settings: BriefCache[UUID, Mapping[str, Any]]
    keys: FieldKeys
    files: ExportFiles
    jobs: PrivacyJobs

    @classmethod
    def of(cls, settings: Settings, database: Database, artifacts: Artifacts) -> Self:
        """Raises: InvalidInputError when a key can't be one."""
        keys = open_field_keys(settings, database)
        return cls(
            database,
            # On this machine: a question must not go to a service so that it need not go to another.
            QuestionRedactor(LocalDetector(), settings.question_personal_data),
            BriefCache(partial(_settings_of, database)),
            keys,
            ExportFiles(artifacts, keys),
            PrivacyJobs(database),
        )

    async def asked(self, tenant_id: UUID, query: str) -> str:
        """A query as models may see it, by what the tenant had set half a second ago at most.

        Raises:
            NotFoundError: The tenant was deleted a moment ago.
        """
        return (await self.questions.read(query, await self.recent_settings.get(tenant_id))).asked

    def handlers(self) -> Mapping[str, Handler]:
        """What a worker can do, by the kind of job."""
        return {
            PrivacyKind.EXPORT: ExportHandler(self.database, self.files, self.keys),
            PrivacyKind.ERASE: EraseHandler(self.database, self.files),
            sweep.SWEEP: SweepHandler(self.database, self.files),
        }


async def _settings_of(database: Database, tenant_id: UUID) -> Mapping[str, Any]:
    async with database.tenant(tenant_id) as connection:
        return (await tenants.privacy(connection, tenant_id)).settings
