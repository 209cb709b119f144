"""Models by name, `provider:model`, as LangChain writes them; `local` is ours."""

from collections.abc import Mapping
from dataclasses import replace

from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings

from rag.errors import InvalidInputError, ModelError, NotFoundError
from rag.guardrail import Guardrail
from rag.model_registry.opening import open_registry
from rag.model_registry.types import ModelState, find_version, is_version, parse_version
from rag.models.batching import BatchedEmbeddings
from rag.models.bedrock.guardrail import BedrockGuardrail
from rag.models.bedrock.provider import BedrockModels
from rag.models.catalog import ModelCard
from rag.models.learned_reranker import MODEL_FILE, LearnedReranker, read_weights
from rag.models.local import LOCAL_CHAT, LOCAL_EMBEDDINGS, LocalModels
from rag.models.options import ModelOptions
from rag.models.providers import RemoteModels
from rag.models.resilience.chat import ResilientChatModel
from rag.models.resilience.compressor import ResilientCompressor
from rag.models.resilience.embeddings import ResilientEmbeddings
from rag.models.resilience.guard import ModelGuard
from rag.models.resilience.guardrail import ResilientGuardrail
from rag.models.traced import TracedCompressor, TracedEmbeddings
from rag.models.types import ChatModel, EmbeddingModel

NO_RERANKER = "none"
# Seconds. The fused order is there already: what comes later than this is worth less than the wait for it.
RERANK_TIMEOUT_S = 8.0
EMBEDDING_TIMEOUT_S = 15.0  # for up to 96 texts
GUARDRAIL_TIMEOUT_S = 10.0
CHUNK_TOKENS = 512
# A chunk of so many tokens has at most eight times as many characters (`rag.chunking.measure`); its headings
# come on top.
CHARACTERS_PER_TOKEN, HEADING_CHARACTERS = 8, 200
TEXTS_PER_CALL, CHARACTERS = 64, 30_000  # for models without a card


class Models:
    """Makes the models that settings name. What they share is closed with `close`.

    Args:
        options: How remote ones are called.
        local: Local ones that are loaded already.
    """

    def __init__(self, options: ModelOptions | None = None, local: LocalModels | None = None) -> None:
        self._options = options or ModelOptions()
        self.local = local or LocalModels()
        self._bedrock = BedrockModels(self._options)
        self._remote = RemoteModels(self._options)
        self._guards: dict[str, ModelGuard] = {}

    @property
    def guards(self) -> Mapping[str, ModelGuard]:
        """Of the remote models that were made so far, by name."""
        return self._guards

    async def close(self) -> None:
        await self._bedrock.close()
        await self._remote.close()

    def chat_models(self, names: str) -> tuple[ChatModel, ...]:
        """The models of a comma-separated fallback chain, first choice first.

        Raises:
            InvalidInputError: A name that no provider knows, or settings that its provider can't work with.
        """
        found = tuple(self._chat_model(name) for name in map(str.strip, names.split(",")) if name)
        if not found:
            raise InvalidInputError("CHAT_MODEL names no model")
        return found

    def embedding_model(self, name: str) -> EmbeddingModel:
        """The embedding model of that name. Of one without a card, the dimensions are asked of it once.

        Raises:
            InvalidInputError: A name that no provider knows, or settings that its provider can't work with.
            ModelError: A remote model doesn't answer.
            UnavailableError: The same.
        """
        if name == LOCAL_EMBEDDINGS:
            local = self.local.embedding()
            return replace(local, embeddings=TracedEmbeddings(local.embeddings, name))
        provider, model = _parts(name)
        if provider == "bedrock":
            inner, card = self._bedrock.embeddings(name, model, threads=self._options.embedding_calls)
        else:
            inner, card = self._remote.embeddings(name, provider, model), None
        return self._batched(name, inner, card)

    def reranker(self, name: str) -> BaseDocumentCompressor | None:
        """The reranker of that name; None for "none".

        Raises:
            InvalidInputError: A name that no provider knows, settings that its provider can't work with, or a
                learned model that was rejected or doesn't fit this version.
            UnavailableError: The model registry can't be reached.
        """
        if name == NO_RERANKER:
            return None
        provider, separator, model = name.partition(":")
        if provider == "local" and is_version(model):
            return TracedCompressor(inner=self._learned_reranker(model), name=name)
        if provider != "bedrock" or not separator or not model:
            raise InvalidInputError(
                f"RERANK_MODEL {name!r}: write bedrock:<model id or ARN>, local:<name>@<version>, "
                f"or {NO_RERANKER}"
            )
        guard = self._guard(name, timeout_s=RERANK_TIMEOUT_S)
        guarded = ResilientCompressor(inner=self._bedrock.reranker(name, model), guard=guard)
        return TracedCompressor(inner=guarded, name=name)

    def _learned_reranker(self, model: str) -> LearnedReranker:
        options, wanted = self._options, parse_version(model)
        if options.model_registry is None:
            raise InvalidInputError(f"RERANK_MODEL local:{wanted} needs MODEL_REGISTRY")
        registry = open_registry(options.model_registry)
        try:
            if find_version(registry, wanted).state is ModelState.REJECTED:
                raise InvalidInputError(f"RERANK_MODEL local:{wanted}: it was rejected")
            weights = read_weights(registry.read(wanted, MODEL_FILE), place=f"{wanted}, {MODEL_FILE}")
        except NotFoundError as exc:
            raise InvalidInputError(f"RERANK_MODEL local:{wanted}: {exc}") from exc
        return LearnedReranker(weights=weights)

    def guardrail(self) -> Guardrail | None:
        """What judges questions and answers apart from the model.

        Raises:
            InvalidInputError: There is no region, or AWS's settings can't be.
        """
        options = self._options.guardrail
        if options is None or options.inline:
            return None
        runtime = self._bedrock.runtime(None, needed_by="GUARDRAIL_ID")
        guardrail = BedrockGuardrail(runtime, options.identifier, options.version)
        name = f"guardrail:{options.identifier}"
        return ResilientGuardrail(guardrail, self._guard(name, timeout_s=GUARDRAIL_TIMEOUT_S))

    def _guard(self, name: str, *, timeout_s: float | None = None) -> ModelGuard:
        """One for each model, shared by all that call it."""
        if name not in self._guards:
            resilience = self._options.resilience
            timeout_s = min(timeout_s or resilience.attempt_timeout_s, resilience.attempt_timeout_s)
            self._guards[name] = ModelGuard(name, replace(resilience, attempt_timeout_s=timeout_s))
        return self._guards[name]

    def _chat_model(self, name: str) -> ChatModel:
        if name == LOCAL_CHAT:
            return self.local.chat()
        provider, model = _parts(name)
        if provider == "bedrock":
            inner = self._bedrock.chat(name, model)
        else:
            inner = self._remote.chat(name, provider, model)
        return ChatModel(name, ResilientChatModel(inner=inner, guard=self._guard(name)))

    def _batched(self, name: str, inner: Embeddings, card: ModelCard | None) -> EmbeddingModel:
        characters = (card and card.max_characters) or CHARACTERS
        batched = BatchedEmbeddings(
            ResilientEmbeddings(inner, self._guard(name, timeout_s=EMBEDDING_TIMEOUT_S)),
            texts_per_call=(card and card.texts_per_call) or TEXTS_PER_CALL,
            characters=characters,
            concurrency=self._options.embedding_calls,
        )
        fitting = (characters - HEADING_CHARACTERS) // CHARACTERS_PER_TOKEN
        return EmbeddingModel(
            name,
            TracedEmbeddings(batched, name),
            dimensions=(card and card.dimensions) or _asked_dimensions(name, inner),
            tokenizer=self.local.encoder,
            chunk_tokens=min(CHUNK_TOKENS, fitting),
            concurrency=2,
        )


def _asked_dimensions(name: str, embeddings: Embeddings) -> int:
    """Raises: ModelError when the model doesn't answer."""
    try:
        return len(embeddings.embed_query("dimensions"))
    except Exception as exc:  # SDKs share no base class
        raise ModelError(f"the embedding model {name!r} does not answer") from exc


def _parts(name: str) -> tuple[str, str]:
    provider, separator, model = name.partition(":")
    if not separator or not model:
        raise InvalidInputError(f"{name!r} is not a model name: write provider:model, such as {LOCAL_CHAT}")
    if provider == "local":
        known = f"{LOCAL_CHAT} and {LOCAL_EMBEDDINGS}"
        raise InvalidInputError(f"no local model is called {model!r}: there are {known}")
    return provider, model
