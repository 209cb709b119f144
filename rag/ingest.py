"""From a file to a searchable version of a source document: read, check, treat, chunk, embed, store."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any, Protocol, Self

from rag.chunking import ChunkStrategy, chunk_document, repeat_table_headers
from rag.documents import Chunk, ParsedDocument
from rag.embedding_text import embedding_text
from rag.errors import (
    ConflictError,
    GroundworkError,
    InvalidInputError,
    ModelError,
    QuarantinedError,
    UnreadableFileError,
)
from rag.language import chunk_languages, document_language
from rag.models.types import EmbeddingModel
from rag.parse import parse_text
from rag.ports import Ingested, NewVersion, SourceLabels, SourceStore, Writer
from rag.privacy import (
    DEFAULT_KINDS,
    EntityKind,
    PersonalDataDetector,
    PrivacyMode,
    Treated,
    apply,
    chunks_without,
    examine,
    kinds_in,
    redact_text,
)
from rag.quality import QualityRules, check_quality

LOCAL_DETECTOR = "local"
READING_VERSION = 3  # raise it when the same bytes are read or divided otherwise than before
MAX_NAME_BYTES = 1024  # S3's limit for a key; an index entry of Postgres holds 2,704
EMBEDDING_BATCH = 64  # chunks between two reports of progress; about two seconds on two cores
SHORT_TEXT = 200  # characters; a note of that size has no quality that could be measured
READ_BYTES = 1024 * 1024  # of a file at a time, for its digest

Progress = Callable[[Mapping[str, Any]], Awaitable[None]]


class DocumentParser(Protocol):
    """Reads files that may be broken or hostile."""

    @property
    def reading_settings(self) -> Mapping[str, str]:
        """What makes it read otherwise than by default: another setting, and files are read anew."""
        ...

    async def parse(self, path: Path, *, filename: str | None, mime_type: str | None) -> ParsedDocument:
        """The document in a file.

        Raises:
            InvalidInputError: Its subclasses say what is wrong with the file.
        """
        ...


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """A document that waits to be read.

    Attributes:
        content: The file, or a text that is taken as it is.
        labels: What the sender says about it.
        filename: Tells its kind and, without a better one, its title.
        mime_type: What the sender called it.
    """

    content: Path | str
    labels: SourceLabels
    filename: str | None = None
    mime_type: str | None = None

    @classmethod
    def of_text(cls, text: str, title: str, *, name: str | None = None) -> Self:
        """A text under a title; without a name, text and title give one."""
        return cls(text, SourceLabels(name or text_name(text, title), title=title))


@dataclass(frozen=True, slots=True)
class IngestionPolicy:
    """How documents are taken in.

    Attributes:
        strategy: How they are divided.
        chunk_tokens: Target size of a chunk; the model's own limit caps it.
        overlap_tokens: How much of a chunk's end the next one repeats at most; half of a chunk at the most.
        quality: From where on a document needs a person's look.
        personal_data: What becomes of personal data.
        personal_kinds: Of which kinds.
        detector: What finds it, by name: with another one, documents are read anew.
    """

    strategy: ChunkStrategy = ChunkStrategy.AUTO
    chunk_tokens: int = 512
    overlap_tokens: int = 30
    quality: QualityRules = field(default_factory=QualityRules)
    personal_data: PrivacyMode = PrivacyMode.OFF
    personal_kinds: frozenset[EntityKind] = DEFAULT_KINDS
    detector: str = LOCAL_DETECTOR


@dataclass(frozen=True, slots=True)
class _Content:
    sha256: bytes
    byte_size: int


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A document, divided. `texts[i]` is what is embedded of `chunks[i]`."""

    title: str
    document: ParsedDocument
    chunks: list[Chunk]
    texts: list[str]


def text_name(text: str, title: str) -> str:
    """The name of a text that came without one: the same for the same text and title."""
    digest = hashlib.sha256(title.encode() + b"\0" + text.encode()).hexdigest()
    return f"text-{digest[:16]}"


def check_name(name: str) -> None:
    """Make sure that `name` can name a source document.

    Raises:
        InvalidInputError: Blank, too long for an index, or with characters that Postgres can't hold.
    """
    if not name.strip() or name != _storable(name):
        raise InvalidInputError("a document's name must not be blank, and must be plain text")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise InvalidInputError(f"a document's name must have at most {MAX_NAME_BYTES} bytes in UTF-8")


async def _no_progress(progress: Mapping[str, Any]) -> None:
    """For callers that do not watch."""


class Ingestor:
    """Makes files searchable.

    Args:
        store: Where documents are kept.
        parser: Reads files.
        model: The embedding model of the store's current space.
        detector: Finds personal data, where a policy asks for it.
        policy: How documents are taken in, unless a call says otherwise.
    """

    def __init__(
        self,
        store: SourceStore,
        parser: DocumentParser,
        model: EmbeddingModel,
        detector: PersonalDataDetector,
        policy: IngestionPolicy,
    ) -> None:
        self._detector = detector
        self._policy = policy
        self._store = store
        self._parser = parser
        self._model = model
        # Batches of whichever document: a small one doesn't wait for a large one to end.
        self._embedding = asyncio.Semaphore(model.concurrency)

    async def ingest(
        self,
        writer: Writer,
        file: IncomingFile,
        *,
        policy: IngestionPolicy | None = None,
        store: SourceStore | None = None,
        force: bool = False,
        released: bool = False,
        progress: Progress = _no_progress,
    ) -> Ingested:
        """Make `file` the current version of its source; one that was read the same way before is left as is.

        Args:
            writer: Whose document it is, and what they may see.
            file: What to read.
            policy: How to take it in, if not as all others.
            store: Where to keep it, if not where all others are.
            force: Read, divide and store anew even if nothing has changed.
            released: A person has looked at it: the quality gate lets it pass.
            progress: Awaited with the stage, and the chunks done and in all, as the work goes on.

        Raises:
            InvalidInputError: Its subclasses say what is wrong with the file.
            QuarantinedError: The quality gate keeps it back.
            ModelError: A model failed; nothing was stored.
            ConflictError: The name belongs to a source that the writer may not see.
        """
        store, policy = store or self._store, policy or self._policy
        content = await asyncio.to_thread(_digest, file.content)
        reading = _reading(content, file, policy, self._parser.reading_settings)
        known = await store.find(writer, file.labels.source_document_id)
        if known and not known.visible:
            raise ConflictError(f"the name {file.labels.source_document_id!r} is taken")
        if known and not force and known.embedded and known.reading_sha256 == reading:
            return await store.keep(writer, known, file.labels)
        await progress({"stage": "reading"})
        document = await self._read(file)
        await progress({"stage": "dividing"} | _pages(document))
        if not released:
            await asyncio.to_thread(_check, document, file, policy)
        prepared = await asyncio.to_thread(self._prepare, document, file, policy)
        vectors = await self._embed(store, writer, prepared, progress)
        await progress({"stage": "storing", **_counts(prepared, len(prepared.chunks))})
        version = await asyncio.to_thread(_new_version, file.labels, content, reading, prepared, vectors)
        return await store.add_version(writer, version)

    async def _read(self, file: IncomingFile) -> ParsedDocument:
        if isinstance(file.content, str):
            return await asyncio.to_thread(parse_text, file.content)
        return await self._parser.parse(file.content, filename=file.filename, mime_type=file.mime_type)

    def _prepare(self, document: ParsedDocument, file: IncomingFile, policy: IngestionPolicy) -> _Prepared:
        model = self._model
        tokenizer, target = model.tokenizer, min(policy.chunk_tokens, model.chunk_tokens)
        redacts = policy.personal_data is PrivacyMode.REDACT
        if redacts:  # before tables are divided by size: placeholders may be longer than what they stand for
            document = self._treat(document, policy).document
        document = repeat_table_headers(
            document, tokenizer=tokenizer, target_tokens=target, strategy=policy.strategy
        )
        treated = Treated(document) if redacts else self._treat(document, policy)
        document = treated.document
        chunks = chunk_document(
            document,
            tokenizer=tokenizer,
            target_tokens=target,
            overlap_tokens=min(policy.overlap_tokens, target // 2),
            strategy=policy.strategy,
            embed=model.embeddings.embed_documents,
        )
        chunks = _marked(chunks, treated, policy)
        if not chunks:
            raise UnreadableFileError("the file holds no text")
        title = self._treated_title(_title(document, file), document, policy)
        texts = [embedding_text(title, c.heading_path, c.text, tokenizer=tokenizer) for c in chunks]
        return _Prepared(title, document, chunks, texts)

    def _treat(self, document: ParsedDocument, policy: IngestionPolicy) -> Treated:
        if policy.personal_data is PrivacyMode.OFF:
            return Treated(document)
        findings = examine(document, self._detector, language=document_language(document.text))
        return apply(document, findings, policy.personal_data, kinds=policy.personal_kinds)

    def _treated_title(self, title: str, document: ParsedDocument, policy: IngestionPolicy) -> str:
        """A title from the sender or the file's name goes with every chunk, as a document's own does."""
        if policy.personal_data not in {PrivacyMode.REDACT, PrivacyMode.SKIP}:
            return title
        findings = self._detector.detect(title, document_language(document.text))
        return redact_text(title, findings, kinds=policy.personal_kinds)

    async def _embed(
        self, store: SourceStore, writer: Writer, prepared: _Prepared, progress: Progress
    ) -> dict[bytes, Sequence[float]]:
        """The vector of each text, by the text's digest. A text that was embedded before is not again."""
        texts = {_text_digest(text): text for text in prepared.texts}
        vectors = dict(await store.known_vectors(writer, list(texts)))
        missing = [digest for digest in texts if digest not in vectors]
        for start in range(0, len(missing), EMBEDDING_BATCH):
            batch = missing[start : start + EMBEDDING_BATCH]
            done = len(prepared.chunks) - len(missing) + start
            await progress({"stage": "embedding", **_counts(prepared, max(done, 0))})
            async with self._embedding:
                embedded = await self._embed_batch([texts[digest] for digest in batch])
            vectors.update(zip(batch, embedded, strict=True))
        return vectors

    async def _embed_batch(self, texts: list[str]) -> list[list[float]]:
        try:
            return await self._model.embeddings.aembed_documents(texts)
        except GroundworkError:
            raise
        except Exception as exc:  # SDKs share no base class
            raise ModelError("the embedding model failed") from exc


def _digest(content: Path | str) -> _Content:
    if isinstance(content, str):
        data = content.encode()
        return _Content(hashlib.sha256(data).digest(), len(data))
    digest, size = hashlib.sha256(), 0
    with content.open("rb") as file:
        while part := file.read(READ_BYTES):
            digest.update(part)
            size += len(part)
    return _Content(digest.digest(), size)


def _reading(
    content: _Content, file: IncomingFile, policy: IngestionPolicy, parser: Mapping[str, str]
) -> bytes:
    """A digest of all that decides what becomes of a file, its bytes and how they are read."""
    how: dict[str, Any] = {
        "version": READING_VERSION,
        "content": content.sha256.hex(),
        "is_text": isinstance(file.content, str),
        "filename": file.filename,
        "mime_type": file.mime_type,
        "title": file.labels.title,
        "policy": asdict(policy),
    }
    if policy.personal_data is PrivacyMode.OFF or policy.detector == LOCAL_DETECTOR:
        del how["policy"]["detector"]  # it decides nothing, or as it always did
    if parser and not isinstance(file.content, str):  # no parser sees a text
        how["parser"] = dict(parser)
    return hashlib.sha256(json.dumps(how, sort_keys=True, default=_in_order).encode()).digest()


def _in_order(value: object) -> object:
    """Sets as sorted lists, so that the same policy reads the same in every process."""
    return sorted(value) if isinstance(value, frozenset) else str(value)


def _check(document: ParsedDocument, file: IncomingFile, policy: IngestionPolicy) -> None:
    if isinstance(file.content, str) and len(document.text) < SHORT_TEXT:
        return  # typed, not extracted: it is meant to be as it is
    issues = check_quality(document, rules=policy.quality)
    if issues:
        raise QuarantinedError("; ".join(issue.message for issue in issues))


def _marked(chunks: list[Chunk], treated: Treated, policy: IngestionPolicy) -> list[Chunk]:
    """The chunks that may be stored, with the kinds of personal data that each holds."""
    if policy.personal_data is PrivacyMode.SKIP:
        return chunks_without(chunks, treated.findings)
    if policy.personal_data is not PrivacyMode.TAG:
        return chunks
    kinds = [[kind.value for kind in kinds_in(chunk, treated.findings)] for chunk in chunks]
    return [
        replace(chunk, metadata={"personal_data": found}) if found else chunk
        for chunk, found in zip(chunks, kinds, strict=True)
    ]


def _text_digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _counts(prepared: _Prepared, done: int) -> dict[str, int]:
    return {"chunks_done": done, "chunks": len(prepared.chunks)} | _pages(prepared.document)


def _pages(document: ParsedDocument) -> dict[str, int]:
    return {"pages": len(document.pages)} if document.pages else {}


def _title(document: ParsedDocument, file: IncomingFile) -> str:
    name = PurePath(file.filename or "")
    title = file.labels.title or document.title or name.stem or name.name
    limit = 300  # characters: a title is shown in lists
    return " ".join(_storable(title).split())[:limit] or file.labels.source_document_id


def _storable(text: str) -> str:
    """The text without what Postgres can't hold: NUL characters and lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode()


def _new_version(
    labels: SourceLabels,
    content: _Content,
    reading: bytes,
    prepared: _Prepared,
    vectors: Mapping[bytes, Sequence[float]],
) -> NewVersion:
    document = prepared.document
    language, languages = chunk_languages(document.text, [chunk.text for chunk in prepared.chunks])
    digests = tuple(_text_digest(text) for text in prepared.texts)
    return NewVersion(
        labels=labels,
        title=prepared.title,
        mime_type=document.mime_type,
        content_sha256=content.sha256,
        reading_sha256=reading,
        byte_size=content.byte_size,
        text=document.text,
        chunks=tuple(prepared.chunks),
        text_digests=digests,
        vectors=tuple(vectors[digest] for digest in digests),
        language=language,
        languages=tuple(languages),
        warnings=document.warnings,
    )
