"""Bedrock's embedding models: langchain-aws' calls, in threads of their own, with their tokens noted."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from langchain_aws import BedrockEmbeddings
from langchain_core.embeddings import Embeddings

from rag.models.bedrock.threads import in_executor
from rag.models.catalog import Operation
from rag.models.usage import ModelUse, record

TOKENS = "x-amzn-bedrock-input-token-count"


class BedrockTextEmbeddings(Embeddings):
    """One call of Bedrock for each method call.

    Args:
        model: langchain-aws' model; its client must not be shared, since its calls are listened to.
        configured_name: What its use is noted under.
        threads: Calls at a time.
    """

    def __init__(self, model: BedrockEmbeddings, *, configured_name: str, threads: int) -> None:
        self._model = model
        self._name = configured_name
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="bedrock-embedding")
        self._counted = threading.local()  # tokens of the call that the thread is in
        # langchain-aws drops the count of tokens that Bedrock answers with.
        model.client.meta.events.register("after-call.bedrock-runtime.InvokeModel", self._count)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return await in_executor(self._executor, lambda: self.embed_documents(texts))

    async def aembed_query(self, text: str) -> list[float]:
        return await in_executor(self._executor, lambda: self.embed_query(text))

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        with self._metered(len(texts)):
            return self._model.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        with self._metered(1):
            return self._model.embed_query(text)

    @contextmanager
    def _metered(self, texts: int) -> Iterator[None]:
        self._counted.tokens = 0
        yield
        record(ModelUse(self._name, Operation.EMBED, input_tokens=self._counted.tokens, units=texts))

    def _count(self, http_response: Any, **_: Any) -> None:
        self._counted.tokens += int(http_response.headers.get(TOKENS, 0))
