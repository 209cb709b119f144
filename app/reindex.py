"""Changing the embedding model while searches and ingestion go on."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from db import embedding_spaces
from db.addresses import DatabaseLogins
from db.pool import Database
from db.repositories import spaces
from db.repositories.spaces import Space
from rag.embedding_text import embedding_text
from rag.errors import ConflictError, GroundworkError, ModelError, UnavailableError
from rag.models.types import EmbeddingModel


@dataclass(frozen=True, slots=True)
class Reindexed:
    """The space that answered before, the one that does now, and how many chunks were embedded for it."""

    old: Space
    new: Space
    chunks: int


async def reindex(
    logins: DatabaseLogins,
    database: Database,
    model: EmbeddingModel,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> Reindexed:
    """Make the embedding space of `model` the one that answers.

    Until then answers come from the old one, which stays until `drop_unused`. A run that was stopped is taken
    up where it was.

    Raises:
        ConflictError: The model's space answers already; or chunks are longer than the model reads.
        ModelError: The model failed.
        UnavailableError: The database can't be reached, or has no active space.
    """
    old = await _active(database)
    space_id = await embedding_spaces.ensure_embedding_space(
        logins.owner, model=model.name, dimensions=model.dimensions
    )
    if old.id == space_id:
        raise ConflictError(f"{model.name} is the model that answers already")
    await _check_lengths(database, model)
    new = Space(space_id, model.name, model.dimensions)
    total = 0

    def count(done: int) -> None:
        progress(total + done)

    fill = partial(
        embedding_spaces.fill,
        database,
        old,
        new,
        text_of=lambda title, path, text: embedding_text(title, tuple(path), text, tokenizer=model.tokenizer),
        embed=partial(_embed, model),
        progress=count,
    )
    while filled := await fill():  # documents that came in meanwhile are in the next round
        total += filled
    await embedding_spaces.build_index(logins.owner, new)
    await embedding_spaces.switch(logins.owner, new, fill_rest=fill)
    return Reindexed(old, new, total)


async def drop_unused(logins: DatabaseLogins, database: Database) -> list[Space]:
    """Remove all spaces but the active one.

    Services that have not followed a switch yet lose the vector leg: wait some seconds after one.

    Raises:
        UnavailableError: The database can't be reached, or has no active space.
    """
    await _active(database)
    async with database.system() as connection:
        unused = await spaces.inactive(connection)
    for space in unused:
        await embedding_spaces.drop(logins.owner, database, space)
    return unused


async def _active(database: Database) -> Space:
    async with database.system() as connection:
        space = await spaces.active(connection)
    if space is None:
        raise UnavailableError("no embedding space is active: run `python -m scripts.migrate`")
    return space


async def _check_lengths(database: Database, model: EmbeddingModel) -> None:
    longest = await embedding_spaces.longest_chunk(database)
    if longest > model.chunk_tokens:
        raise ConflictError(
            f"{model.name} reads chunks of up to {model.chunk_tokens} tokens, and some have {longest}: "
            f"set CHUNK_TOKENS={model.chunk_tokens}, ingest the documents again with --force, then reindex"
        )


async def _embed(model: EmbeddingModel, texts: list[str]) -> list[list[float]]:
    try:
        return await model.embeddings.aembed_documents(texts)
    except GroundworkError:
        raise
    except Exception as exc:  # SDKs share no base class
        raise ModelError(f"the embedding model {model.name} failed") from exc
