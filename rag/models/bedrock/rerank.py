"""Bedrock's rerankers: langchain-aws' call in threads of its own, with its use noted."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from langchain_aws import BedrockRerank
from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from pydantic import Field, PrivateAttr

from rag.models.bedrock.threads import in_executor
from rag.models.catalog import Operation
from rag.models.usage import ModelUse, record

DOCUMENTS_PER_QUERY = 100  # a call with more is billed as several


class BedrockReranker(BedrockRerank):
    """A reranker on Bedrock.

    Attributes:
        configured_name: What its use is noted under.
        threads: Calls at a time.
    """

    configured_name: str
    threads: int = Field(default=8, exclude=True)
    _executor: ThreadPoolExecutor | None = PrivateAttr(default=None)

    def model_post_init(self, context: Any, /) -> None:
        self._executor = ThreadPoolExecutor(self.threads, thread_name_prefix="bedrock-rerank")

    def rerank(
        self,
        documents: Sequence[str | Document | dict[str, Any]],
        query: str,
        top_n: int | None = None,
        additional_model_request_fields: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        ranked = super().rerank(documents, query, top_n, additional_model_request_fields)
        queries = math.ceil(len(documents) / DOCUMENTS_PER_QUERY)
        record(ModelUse(self.configured_name, Operation.RERANK, units=queries))
        return ranked

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks = None
    ) -> Sequence[Document]:
        assert self._executor is not None  # noqa: S101 - narrows the type
        return await in_executor(self._executor, lambda: self.compress_documents(documents, query, callbacks))
