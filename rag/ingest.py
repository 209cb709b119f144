"""From a file to a searchable version of a source document."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any
from uuid import UUID

from rag.chunk import chunk_document
from rag.documents import Chunk, ParsedDocument
from rag.embedding_text import embedding_text
from rag.errors import ConflictError, GroundworkError, InvalidInputError, ModelError, UnreadableFileError
from rag.language import chunk_languages
from rag.models.registry import EmbeddingModel
from rag.parse import parse, parse_text
from rag.ports import NewVersion, SourceStore, StoredSource, Writer

MAX_NAME_BYTES = 1024  # S3's limit for a key; an index entry of Postgres holds 2,704
EMBEDDING_BATCH = 64  # chunks between two reports of progress; about two seconds on two cores

Progress = Callable[[int, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Upload:
    """A document as it came in, parsed. Metadata or access list of None keep what a known source has."""

    source_document_id: str
    title: str
    document: ParsedDocument
    content_sha256: bytes
    byte_size: int
    uri: str | None = None
    metadata: Mapping[str, Any] | None = None
    acl: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of an upload.

    Attributes:
        chunks_created: 0 when the very same content was there already.
        warnings: What of the file could not be read, such as pages without text.
    """

    document_id: UUID
    version: int
    chunks_created: int
    unchanged: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Labels:
    """What the sender says about a document."""

    source_document_id: str | None = None
    title: str | None = None
    uri: str | None = None
    metadata: Mapping[str, Any] | None = None
    acl: tuple[str, ...] | None = None


def read_file(data: bytes, *, filename: str, mime_type: str | None, labels: Labels) -> Upload:
    """Parse a file. Slow for a large one: call it in a thread.

    Raises:
        InvalidInputError: An unsupported, broken, encrypted or empty file.
    """
    document = parse(data, filename=filename, mime_type=mime_type)
    name = PurePath(filename).stem or filename
    return _upload(document, data, default_id=filename, default_title=name, labels=labels)


def read_text(text: str, *, title: str, labels: Labels) -> Upload:
    """A document given as plain text.

    Raises:
        InvalidInputError: NUL characters or lone surrogates.
        UnreadableFileError: Nothing but white space.
    """
    document = parse_text(text)
    data = text.encode()
    digest = hashlib.sha256(title.encode() + b"\0" + data).hexdigest()
    default_id = f"text-{digest[:16]}"
    return _upload(document, data, default_id=default_id, default_title=title, labels=labels)


def _upload(
    document: ParsedDocument, data: bytes, *, default_id: str, default_title: str, labels: Labels
) -> Upload:
    source_document_id = labels.source_document_id or default_id
    check_name(source_document_id)
    return Upload(
        source_document_id=source_document_id,
        title=_title(labels.title or document.title or default_title) or source_document_id,
        document=document,
        content_sha256=hashlib.sha256(data).digest(),
        byte_size=len(data),
        uri=labels.uri,
        metadata=labels.metadata,
        acl=labels.acl,
    )


def check_name(name: str) -> None:
    """Make sure that `name` can name a source document.

    Raises:
        InvalidInputError: Blank, too long for an index, or with characters that Postgres can't hold.
    """
    if not name.strip() or name != _storable(name):
        raise InvalidInputError("a document's name must not be blank, and must be plain text")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise InvalidInputError(f"a document's name must have at most {MAX_NAME_BYTES} bytes in UTF-8")


def _storable(text: str) -> str:
    """The text without what Postgres can't hold: NUL characters and lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode()


def _title(text: str) -> str:
    limit = 300  # characters: a title is shown in lists
    return " ".join(_storable(text).split())[:limit]


async def _no_progress(done: int, total: int) -> None:
    """For callers that do not watch."""


class Ingestor:
    """Chunks, embeds and stores uploads.

    Args:
        store: Where documents are kept.
        model: The embedding model of the store's current space.
        chunk_tokens: Target size of a chunk; the model's own limit caps it.
        overlap_tokens: How much of a chunk's end the next one repeats, at most; half of it at the very most.
    """

    def __init__(
        self, store: SourceStore, model: EmbeddingModel, *, chunk_tokens: int, overlap_tokens: int
    ) -> None:
        self._store = store
        self._model = model
        self._chunk_tokens = min(chunk_tokens, model.chunk_tokens)
        self._overlap_tokens = min(overlap_tokens, self._chunk_tokens // 2)
        # One batch at a time, of whichever document: embedding uses every core, and a small document
        # doesn't wait for a large one to end.
        self._embedding = asyncio.Semaphore(1)

    async def ingest(
        self, writer: Writer, upload: Upload, *, force: bool = False, progress: Progress = _no_progress
    ) -> Ingested:
        """Make `upload` the current version of its source; unchanged bytes are left as they are.

        Args:
            writer: Whose document it is, and what they may see.
            upload: The parsed document.
            force: Chunk and embed anew even if the content is the same.
            progress: Awaited with chunks done and chunks in all, after each batch.

        Raises:
            UnreadableFileError: There is no text to make a chunk of.
            ModelError: The embedding model failed; nothing was stored.
            ConflictError: The name belongs to a source that the writer may not see.
        """
        known = await self._store.find(writer, upload.source_document_id)
        if known and not known.visible:
            raise ConflictError(f"the name {upload.source_document_id!r} is taken")
        if known and not force and _is_unchanged(known, upload):
            await self._store.describe(
                writer, known.document_id, metadata=upload.metadata, acl=upload.acl, uri=upload.uri
            )
            return Ingested(
                known.document_id, known.version, 0, unchanged=True, warnings=upload.document.warnings
            )
        chunks = await asyncio.to_thread(self._chunk, upload.document)
        vectors = await self._embed(upload.title, chunks, progress)
        version = await asyncio.to_thread(_new_version, upload, chunks, vectors)
        stored = await self._store.add_version(writer, version)
        return Ingested(
            stored.document_id,
            stored.version,
            len(chunks),
            unchanged=False,
            warnings=upload.document.warnings,
        )

    def _chunk(self, document: ParsedDocument) -> list[Chunk]:
        chunks = chunk_document(
            document,
            tokenizer=self._model.tokenizer,
            target_tokens=self._chunk_tokens,
            overlap_tokens=self._overlap_tokens,
        )
        if not chunks:
            raise UnreadableFileError("the file holds no text")
        return chunks

    async def _embed(self, title: str, chunks: Sequence[Chunk], progress: Progress) -> list[Sequence[float]]:
        vectors: list[Sequence[float]] = []
        for start in range(0, len(chunks), EMBEDDING_BATCH):
            batch = chunks[start : start + EMBEDDING_BATCH]
            async with self._embedding:
                vectors.extend(await self._embed_batch(self._texts(title, batch)))
            await progress(len(vectors), len(chunks))
        return vectors

    async def _embed_batch(self, texts: list[str]) -> list[list[float]]:
        try:
            return await self._model.embeddings.aembed_documents(texts)
        except GroundworkError:
            raise
        except Exception as exc:  # SDKs share no base class
            raise ModelError("the embedding model failed") from exc

    def _texts(self, title: str, chunks: Sequence[Chunk]) -> list[str]:
        tokenizer = self._model.tokenizer
        return [embedding_text(title, c.heading_path, c.text, tokenizer=tokenizer) for c in chunks]


def _is_unchanged(known: StoredSource, upload: Upload) -> bool:
    read_alike = known.title == upload.title and known.mime_type == upload.document.mime_type
    return known.content_sha256 == upload.content_sha256 and read_alike and known.embedded


def _new_version(upload: Upload, chunks: Sequence[Chunk], vectors: Sequence[Sequence[float]]) -> NewVersion:
    language, languages = chunk_languages(upload.document.text, [chunk.text for chunk in chunks])
    return NewVersion(
        source_document_id=upload.source_document_id,
        title=upload.title,
        uri=upload.uri,
        mime_type=upload.document.mime_type,
        content_sha256=upload.content_sha256,
        byte_size=upload.byte_size,
        text=upload.document.text,
        metadata=upload.metadata,
        acl=upload.acl,
        chunks=tuple(chunks),
        vectors=tuple(vectors),
        language=language,
        languages=tuple(languages),
    )
