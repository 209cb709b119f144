"""How a tenant's documents are taken in: the service's settings, and what the tenant has of its own."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.settings import Settings
from rag.chunking import ChunkStrategy
from rag.errors import InvalidInputError
from rag.ingest import IngestionPolicy
from rag.privacy import EntityKind, PrivacyMode
from rag.quality import QualityRule

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]


class TenantIngestion(BaseModel):
    """A tenant's own settings of ingestion, as they are stored; None leaves the service's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chunk_strategy: ChunkStrategy | None = None
    personal_data: PrivacyMode | None = None
    personal_kinds: frozenset[EntityKind] | None = None
    quality_off: frozenset[QualityRule] | None = None
    languages: Annotated[frozenset[Language], Field(min_length=1)] | None = None

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Raises: InvalidInputError when nobody understands what is stored; the message says which field."""
        try:
            return cls.model_validate(stored)
        except ValidationError as exc:
            first = exc.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise InvalidInputError(
                f"the tenant's ingestion settings are wrong: {place}: {first['msg']}"
            ) from exc

    def applied_to(self, policy: IngestionPolicy) -> IngestionPolicy:
        """The policy with what the tenant has of its own."""
        quality = policy.quality
        if self.quality_off is not None:
            quality = replace(quality, off=self.quality_off)
        if self.languages is not None:
            quality = replace(quality, languages=self.languages)
        return replace(
            policy,
            strategy=self.chunk_strategy or policy.strategy,
            personal_data=self.personal_data or policy.personal_data,
            personal_kinds=policy.personal_kinds if self.personal_kinds is None else self.personal_kinds,
            quality=quality,
        )


def default_policy(settings: Settings) -> IngestionPolicy:
    """For tenants without settings of their own."""
    return IngestionPolicy(
        strategy=settings.chunk_strategy,
        chunk_tokens=settings.chunk_tokens,
        overlap_tokens=settings.chunk_overlap_tokens,
        personal_data=settings.personal_data,
        detector=settings.personal_data_detector,
    )
