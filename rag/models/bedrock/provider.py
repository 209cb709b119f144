"""Bedrock's models by their ids, with the clients that they share."""

import re
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings
from langchain_core.language_models.chat_models import BaseChatModel

from rag.aws.clients import aws_client
from rag.errors import InvalidInputError
from rag.models.bedrock.model_id import BedrockModelId, read_model_id
from rag.models.bedrock.runtime import BedrockRuntime
from rag.models.catalog import ModelCard, card_for
from rag.models.options import ModelOptions
from rag.rerank import DEPTH

DIMENSIONS = re.compile(r"(?P<model>.+)\?dimensions=(?P<dimensions>\d{1,5})")


class BedrockModels:
    """Makes Bedrock's models. boto3 is loaded when the first one is asked for.

    Args:
        options: How they are called.
    """

    def __init__(self, options: ModelOptions) -> None:
        self._options = options
        self._runtimes: dict[str | None, BedrockRuntime] = {}

    async def close(self) -> None:
        async with AsyncExitStack() as stack:
            for runtime in self._runtimes.values():
                stack.push_async_callback(runtime.close)

    def runtime(self, region: str | None, *, needed_by: str) -> BedrockRuntime:
        """Raises: InvalidInputError when there is no region, or AWS's settings can't be."""
        if region not in self._runtimes:
            resilience = self._options.resilience
            self._runtimes[region] = BedrockRuntime(
                needed_by=needed_by,
                region=region,
                connect_timeout_s=resilience.connect_timeout_s,
                read_timeout_s=resilience.attempt_timeout_s,
            )
        return self._runtimes[region]

    def chat(self, name: str, model: str) -> BaseChatModel:
        """Raises: InvalidInputError when `model` can't be one, or AWS's settings can't be."""
        from rag.models.bedrock.chat import BedrockChat  # noqa: PLC0415 - as in aws_client

        setting = f"CHAT_MODEL {name!r}"
        known = read_model_id(model, setting=setting)
        client = self._client("bedrock-runtime", setting, known.region)
        return BedrockChat(
            client=client,
            bedrock_client=client,  # it would only be asked what a profile stands for, which is known
            runtime=self.runtime(known.region, needed_by=setting),
            configured_name=_billed_name(name, known),
            model_id=known.model_id,
            base_model_id=known.base,
            provider=known.provider,
            max_tokens=self._options.answer_tokens,
            temperature=0.0,
            cache_prompt=self._options.cache_prompt,
            guardrail_config=self._inline_guardrail(),
        )

    def embeddings(self, name: str, model: str, *, threads: int) -> tuple[Embeddings, ModelCard | None]:
        """The model, each call of which is one of Bedrock's, and its card, with the dimensions asked for.

        Args:
            name: As configured.
            model: Its id or ARN, `?dimensions=` behind it for another size than its own.
            threads: Calls at a time.

        Raises:
            InvalidInputError: It can't be one; the model has no such size; AWS's settings can't be.
        """
        from langchain_aws import BedrockEmbeddings  # noqa: PLC0415 - as in aws_client

        from rag.models.bedrock.embeddings import BedrockTextEmbeddings  # noqa: PLC0415

        setting = f"EMBEDDING_MODEL {name!r}"
        sized = DIMENSIONS.fullmatch(model)
        known = read_model_id(sized["model"] if sized else model, setting=setting)
        billed = _billed_name(name.partition("?")[0], known)
        card = card_for(billed)
        dimensions = _dimensions(int(sized["dimensions"]), card, setting) if sized else None
        inner = BedrockEmbeddings(
            client=self._client("bedrock-runtime", setting, known.region, connections=threads),
            model_id=known.model_id,
            provider=known.provider,
            dimensions=dimensions,
        )
        if card and dimensions:
            card = replace(card, dimensions=dimensions)
        return BedrockTextEmbeddings(inner, configured_name=billed, threads=threads), card

    def reranker(self, name: str, model: str) -> BaseDocumentCompressor:
        """Raises: InvalidInputError when `model` can't be one, or AWS's settings can't be."""
        from rag.models.bedrock.rerank import BedrockReranker  # noqa: PLC0415 - as in aws_client

        setting = f"RERANK_MODEL {name!r}"
        known = read_model_id(model, setting=setting)
        client = self._client("bedrock-agent-runtime", setting, known.region)
        region = client.meta.region_name
        arn = model if model.startswith("arn:") else f"arn:aws:bedrock:{region}::foundation-model/{model}"
        return BedrockReranker(
            client=client, configured_name=name, model_arn=arn, region_name=region, top_n=DEPTH
        )

    def _client(self, service: str, setting: str, region: str | None, *, connections: int = 10) -> Any:
        resilience = self._options.resilience
        return aws_client(
            service,
            needed_by=setting,
            region=region,
            connect_timeout_s=resilience.connect_timeout_s,
            read_timeout_s=resilience.attempt_timeout_s,
            connections=connections,
        )

    def _inline_guardrail(self) -> dict[str, str] | None:
        guardrail = self._options.guardrail
        if guardrail is None or not guardrail.inline:
            return None
        return {"guardrailIdentifier": guardrail.identifier, "guardrailVersion": guardrail.version}


def _billed_name(name: str, known: BedrockModelId) -> str:
    """What use is noted under: of an application's own profile, the model that it stands for."""
    return f"bedrock:{known.base}" if ":application-inference-profile/" in name else name


def _dimensions(wanted: int, card: ModelCard | None, setting: str) -> int:
    choices = card.dimension_choices if card else ()
    if not wanted or (choices and wanted not in choices):
        raise InvalidInputError(f"{setting}: its vectors may have {', '.join(map(str, choices))} dimensions")
    return wanted
