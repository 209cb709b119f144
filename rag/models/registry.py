"""Models by name, `provider:model`, as LangChain writes them; `local` is ours."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from langchain.chat_models import init_chat_model
from langchain.embeddings import init_embeddings
from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings
from langchain_core.language_models.chat_models import BaseChatModel

from rag.errors import InvalidInputError, ModelError
from rag.fuse import DEFAULT_FUSION, Fusion, FusionMethod
from rag.models.answer_selection import AnswerSelector
from rag.models.answer_weights import ANSWER_THRESHOLD
from rag.models.extractive import ExtractiveChatModel
from rag.models.minilm import MiniLMEmbeddings
from rag.rerank import DEPTH
from rag.tokens import Tokenizer

LOCAL_CHAT = "local:extractive"
LOCAL_EMBEDDINGS = "local:all-MiniLM-L6-v2"
# Chosen on one half of five public question sets, within a thousandth of the best on the other half.
LOCAL_FUSION = Fusion(FusionMethod.BOUNDED, 0.45)
NO_RERANKER = "none"
ARN = "arn:[^:]*:bedrock:"
# Seconds. The fused order is there already: what comes later than this is worth less than the wait for it.
RERANK_CONNECT_TIMEOUT = 2.0
RERANK_READ_TIMEOUT = 8.0
# LangChain's name for the Converse API, which streams, uses tools and takes guardrails alike for all models.
CHAT_PROVIDERS = {"bedrock": "bedrock_converse"}


@dataclass(frozen=True, slots=True)
class ChatModel:
    """A chat model and the name that it was configured by."""

    name: str
    model: BaseChatModel


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """An embedding model with what ingestion must know of it.

    Attributes:
        name: As configured; with `dimensions` it names an embedding space.
        tokenizer: Counts the tokens of a chunk.
        chunk_tokens: Largest size of a chunk that the model embeds without cutting it.
        fusion: How its similarities are best combined with BM25.
        concurrency: Batches that may be embedded at once.
    """

    name: str
    embeddings: Embeddings
    dimensions: int
    tokenizer: Tokenizer
    chunk_tokens: int
    fusion: Fusion = DEFAULT_FUSION
    concurrency: int = 4


class LocalModels:
    """The model that ships with Groundwork, loaded on first use and shared by all that need it."""

    def __init__(self, load: Callable[[], MiniLMEmbeddings] = MiniLMEmbeddings.load) -> None:
        self._load = load

    @cached_property
    def encoder(self) -> MiniLMEmbeddings:
        return self._load()


def load_chat_models(names: str, local: LocalModels) -> Sequence[ChatModel]:
    """The models of a comma-separated fallback chain, first choice first.

    Raises:
        InvalidInputError: A name that no provider knows.
    """
    return [ChatModel(name, _chat_model(name, local)) for name in _split(names)]


def load_embedding_model(name: str, local: LocalModels) -> EmbeddingModel:
    """The embedding model of that name. For a remote one, its dimensions are asked of it once.

    Raises:
        InvalidInputError: A name that no provider knows.
        ModelError: A remote model doesn't answer.
    """
    if name == LOCAL_EMBEDDINGS:
        encoder = local.encoder
        # 256 tokens less the two special ones, and less the title and headings that are embedded in front.
        # A batch uses every core, so a second one at once would only take its time from the first.
        return EmbeddingModel(
            name,
            encoder,
            encoder.dimensions,
            encoder,
            chunk_tokens=220,
            fusion=LOCAL_FUSION,
            concurrency=1,
        )
    provider, model = _parts(name)
    try:
        embeddings = init_embeddings(model, provider=provider)
    except (ValueError, ImportError) as exc:
        raise InvalidInputError(f"EMBEDDING_MODEL {name!r}: {exc}") from exc
    try:
        dimensions = len(embeddings.embed_query("dimensions"))
    except Exception as exc:  # SDKs share no base class
        raise ModelError(f"the embedding model {name!r} does not answer") from exc
    return EmbeddingModel(name, embeddings, dimensions, local.encoder, chunk_tokens=512)


def load_reranker(name: str) -> BaseDocumentCompressor | None:
    """The reranker of that name; None for "none".

    A call that fails is not repeated, and one that hangs is given up.

    Raises:
        InvalidInputError: A name that no provider knows; no AWS region for Bedrock's, or a profile
            that doesn't exist.
    """
    if name == NO_RERANKER:
        return None
    provider, separator, model = name.partition(":")
    if provider != "bedrock" or not separator or not model:
        raise InvalidInputError(f"RERANK_MODEL {name!r}: write bedrock:<model id or ARN>, or {NO_RERANKER}")
    return _bedrock_reranker(name, model)


def _bedrock_reranker(name: str, model: str) -> BaseDocumentCompressor:
    from boto3.session import Session  # noqa: PLC0415 - a second that only those pay who use it
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    from langchain_aws import BedrockRerank  # noqa: PLC0415

    config = Config(
        connect_timeout=RERANK_CONNECT_TIMEOUT,
        read_timeout=RERANK_READ_TIMEOUT,
        retries={"total_max_attempts": 1},
    )
    is_arn = re.match(ARN, model)
    try:
        session = Session()
        # boto3 itself doesn't know AWS_REGION.
        region = (is_arn and model.split(":")[3]) or os.environ.get("AWS_REGION") or session.region_name
        if not region:
            raise InvalidInputError(f"RERANK_MODEL {name!r} needs AWS_REGION")
        client = session.client("bedrock-agent-runtime", region_name=region, config=config)
    except (BotoCoreError, ValueError) as exc:
        raise InvalidInputError(f"RERANK_MODEL {name!r}: {exc}") from exc
    arn = model if is_arn else f"arn:aws:bedrock:{region}::foundation-model/{model}"
    return BedrockRerank(client=client, model_arn=arn, region_name=region, top_n=DEPTH)


def _chat_model(name: str, local: LocalModels) -> BaseChatModel:
    if name == LOCAL_CHAT:
        selector = AnswerSelector(local.encoder)
        return ExtractiveChatModel(encoder=local.encoder, selector=selector, threshold=ANSWER_THRESHOLD)
    provider, model = _parts(name)
    try:
        loaded = init_chat_model(model, model_provider=CHAT_PROVIDERS.get(provider, provider))
    except (ValueError, ImportError) as exc:
        raise InvalidInputError(f"CHAT_MODEL {name!r}: {exc}") from exc
    return loaded


def _split(names: str) -> list[str]:
    found = [name.strip() for name in names.split(",") if name.strip()]
    if not found:
        raise InvalidInputError("CHAT_MODEL names no model")
    return found


def _parts(name: str) -> tuple[str, str]:
    provider, separator, model = name.partition(":")
    if not separator or not model:
        raise InvalidInputError(f"{name!r} is not a model name: write provider:model, such as {LOCAL_CHAT}")
    if provider == "local":
        known = f"{LOCAL_CHAT} and {LOCAL_EMBEDDINGS}"
        raise InvalidInputError(f"no local model is called {model!r}: there are {known}")
    return provider, model
