"""What works in the active embedding space, and how a process follows when another space takes over."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from db.pool import Database
from db.repositories import spaces
from db.repositories.spaces import Space
from db.stores import PostgresChunkSearch, PostgresSourceStore
from rag.errors import GroundworkError, UnavailableError
from rag.ingest import DocumentParser, IngestionPolicy, Ingestor
from rag.models.types import EmbeddingModel
from rag.ports import SearchScope
from rag.privacy import PersonalDataDetector
from rag.retrieve import QuestionVector, Retrieval, Retriever, Strategy

log = structlog.get_logger(__name__)

LOOK_S = 2.0  # between two looks at which space is active

LoadModel = Callable[[str], EmbeddingModel]


@dataclass(frozen=True, slots=True)
class SpaceServices:
    """An embedding space, its model, and what works with them."""

    space: Space
    model: EmbeddingModel
    chunk_search: PostgresChunkSearch
    retriever: Retriever
    ingestor: Ingestor


class Spaces:
    """The active embedding space.

    Args:
        database: Says which space is active.
        parser: For the ingestors.
        detector: For the ingestors.
        policy: For the ingestors.
        load: Loads an embedding model by name; may take seconds.
    """

    def __init__(
        self,
        database: Database,
        *,
        parser: DocumentParser,
        detector: PersonalDataDetector,
        policy: IngestionPolicy,
        load: LoadModel,
    ) -> None:
        self._database = database
        self._detector = detector
        self._parser = parser
        self._policy = policy
        self._load = load
        self._current: SpaceServices | None = None

    @property
    def current(self) -> SpaceServices:
        """Raises: UnavailableError before the first `refresh`."""
        if self._current is None:
            raise UnavailableError("no embedding space is active yet")
        return self._current

    async def refresh(self, *, loaded: EmbeddingModel | None = None) -> None:
        """Take up the space that is active now.

        Args:
            loaded: A model that need not be loaded again if it is the space's.

        Raises:
            UnavailableError: The database can't be reached, or has no active space.
            InvalidInputError: The space's model is not known here.
            ModelError: It does not load, or has another number of dimensions than its space.
        """
        async with self._database.system() as connection:
            space = await spaces.active(connection)
        if space is None:
            raise UnavailableError("no embedding space is active: run `python -m scripts.migrate`")
        if self._current is not None and self._current.space == space:
            return
        fits = loaded is not None and loaded.name == space.model
        model = loaded if fits and loaded else await asyncio.to_thread(self._load, space.model)
        if model.dimensions != space.dimensions:
            raise UnavailableError(
                f"{space.model} gives {model.dimensions} dimensions; its space has {space.dimensions}"
            )
        self._current = self._open(space, model)
        log.info("embedding_space_taken_up", space=space.id, model=space.model)

    async def retrieve(
        self,
        question: str,
        scope: SearchScope,
        *,
        strategy: Strategy = Strategy.AUTO,
        top_k: int = 8,
        vector: Sequence[float] | QuestionVector | None = None,
        exact: bool = False,
    ) -> Retrieval:
        """`Retriever.retrieve` in the active space."""
        return await self.current.retriever.retrieve(
            question, scope, strategy=strategy, top_k=top_k, vector=vector, exact=exact
        )

    async def follow(self) -> None:
        """Take up whatever space becomes active, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.refresh()
            except GroundworkError:
                log.warning("embedding_space_not_taken_up", exc_info=True)

    def _open(self, space: Space, model: EmbeddingModel) -> SpaceServices:
        chunk_search = PostgresChunkSearch(self._database, space)
        retriever = Retriever(
            chunk_search,
            model.embeddings,
            model=space.model,
            dimensions=space.dimensions,
            fusion=model.fusion,
        )
        store = PostgresSourceStore(self._database, space)
        ingestor = Ingestor(store, self._parser, model, self._detector, self._policy)
        return SpaceServices(space, model, chunk_search, retriever, ingestor)


@asynccontextmanager
async def following(opened: Spaces) -> AsyncIterator[None]:
    """Let the process follow in the background."""
    task = asyncio.create_task(opened.follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
