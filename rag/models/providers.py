"""Models of providers other than Bedrock, as LangChain makes them, set so that only we repeat calls."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
from langchain.chat_models import init_chat_model
from langchain.embeddings import init_embeddings
from langchain_core.embeddings import Embeddings
from langchain_core.language_models.chat_models import BaseChatModel

from rag.errors import InvalidInputError
from rag.models.catalog import Operation
from rag.models.options import ModelOptions
from rag.models.usage import ModelUse, record


class CountedEmbeddings(Embeddings):
    """Notes the calls of an embedding model that keeps its token counts to itself.

    Args:
        inner: The model.
        configured_name: What its use is noted under.
    """

    def __init__(self, inner: Embeddings, configured_name: str) -> None:
        self._inner = inner
        self._name = configured_name

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        self._note(len(texts))
        return await self._inner.aembed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        self._note(1)
        return await self._inner.aembed_query(text)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self._note(len(texts))
        return self._inner.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        self._note(1)
        return self._inner.embed_query(text)

    def _note(self, texts: int) -> None:
        record(ModelUse(self._name, Operation.EMBED, units=texts, unmetered_calls=1))


class RemoteModels:
    """Makes the models of any provider that LangChain knows and that is installed.

    Args:
        options: How they are called.
    """

    def __init__(self, options: ModelOptions) -> None:
        self._options = options
        self._closers: list[Callable[[], Awaitable[None]]] = []

    async def close(self) -> None:
        async with AsyncExitStack() as stack:
            for closer in self._closers:
                stack.push_async_callback(closer)

    def chat(self, name: str, provider: str, model: str) -> BaseChatModel:
        """Raises: InvalidInputError when the provider isn't known, not installed, or lacks its key."""
        tokens = "num_predict" if provider == "ollama" else "max_tokens"
        options = self._client_options(provider) | {tokens: self._options.answer_tokens}
        if provider == "openai":
            options["stream_usage"] = True  # else a stream's tokens are not counted
        try:
            made: BaseChatModel = init_chat_model(model, model_provider=provider, **options)
        except Exception as exc:  # each provider's package says in its own way what it lacks
            raise InvalidInputError(f"CHAT_MODEL {name!r}: {exc}") from exc
        if provider == "ollama":  # it makes its client itself, and offers no way to close it
            self._closers.append(made._async_client.close)  # type: ignore[attr-defined]  # noqa: SLF001
        return made

    def embeddings(self, name: str, provider: str, model: str) -> Embeddings:
        """Raises: InvalidInputError when the provider isn't known, not installed, or lacks its key."""
        options = self._client_options(provider)
        if provider == "openai":
            options["check_embedding_ctx_length"] = False  # it would download a tokenizer; chunks fit anyway
        try:
            return CountedEmbeddings(init_embeddings(model, provider=provider, **options), name)
        except Exception as exc:  # as above
            raise InvalidInputError(f"EMBEDDING_MODEL {name!r}: {exc}") from exc

    def _client_options(self, provider: str) -> dict[str, Any]:
        timeout = self._options.resilience.attempt_timeout_s
        if provider == "ollama":
            return {"client_kwargs": {"timeout": timeout}}
        if provider == "openai":
            client = httpx.AsyncClient(timeout=timeout)
            self._closers.append(client.aclose)
            return {"max_retries": 0, "timeout": timeout, "http_async_client": client}
        if provider in {"anthropic", "azure_openai", "groq", "mistralai"}:
            return {"max_retries": 0, "timeout": timeout}
        return {}
