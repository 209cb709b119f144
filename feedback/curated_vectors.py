"""Vectors of questions with a curated answer: made when one is pinned, and after a change of model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from db.pool import Connection, Database
from db.repositories import curated, usage
from db.repositories.curated import Unembedded
from db.repositories.spaces import Space
from db.repositories.usage import RequestKind
from rag.models.types import EmbeddingModel
from rag.models.usage import Meter, metering
from rag.retrieve import PassageRetriever, embed_query

BATCH = 100  # questions embedded between two looks into the database


class CuratedSpace(Protocol):
    """The active embedding space; `app.spaces.SpaceServices`."""

    @property
    def space(self) -> Space: ...

    @property
    def model(self) -> EmbeddingModel: ...

    @property
    def retriever(self) -> PassageRetriever: ...


@dataclass(frozen=True, slots=True)
class Embedded:
    """A question with its vector in a space, and what making it took."""

    question: str
    space_id: int
    vector: Sequence[float]
    meter: Meter


async def embed(current: CuratedSpace, question: str) -> Embedded:
    """Embed a pinned question as a question, not as a document: that is what it is compared with.

    Raises:
        ModelError: The model failed.
        UnavailableError: It is too busy.
    """
    meter = Meter()
    with metering(meter):
        vector = await embed_query(current.model.embeddings, question)
    return Embedded(question, current.space.id, vector, meter)


async def store(connection: Connection, tenant_id: UUID, curated_id: UUID, embedded: Embedded) -> None:
    """Store the vector, unless the question has changed meanwhile, and what it took."""
    wanted = Unembedded(curated_id, embedded.question)
    await curated.set_vector(connection, tenant_id, wanted, embedded.space_id, embedded.vector)
    await usage.add(connection, tenant_id, RequestKind.INGEST, embedded.meter.uses)


async def fill_vectors(database: Database, tenant_id: UUID, current: CuratedSpace) -> int:
    """Embed the questions that have no vector in the space yet; how many.

    Raises:
        GroundworkError: The model failed, or the database can't be reached. What was done stays.
    """
    total = 0
    while True:
        async with database.tenant(tenant_id) as connection:
            missing = await curated.missing(connection, tenant_id, current.space.id, limit=BATCH)
        for wanted in missing:
            embedded = await embed(current, wanted.question)
            async with database.tenant(tenant_id) as connection:
                await store(connection, tenant_id, wanted.id, embedded)
        total += len(missing)
        if len(missing) < BATCH:
            return total
