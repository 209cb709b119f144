"""The models that ship with Groundwork: they need no key and no network."""

from collections.abc import Callable
from functools import cached_property

from rag.fuse import Fusion, FusionMethod
from rag.models.answer_selection import AnswerSelector
from rag.models.answer_weights import ANSWER_THRESHOLD
from rag.models.extractive import ExtractiveChatModel
from rag.models.minilm import MiniLMEmbeddings
from rag.models.types import ChatModel, EmbeddingModel

LOCAL_CHAT = "local:extractive"
LOCAL_EMBEDDINGS = "local:all-MiniLM-L6-v2"
# Chosen on one half of five public question sets, within a thousandth of the best on the other half.
LOCAL_FUSION = Fusion(FusionMethod.BOUNDED, 0.45)
# 256 tokens less the two special ones, and less the title and headings that are embedded in front.
CHUNK_TOKENS = 220


class LocalModels:
    """The model that both are made of, loaded on first use and shared by all that need it."""

    def __init__(self, load: Callable[[], MiniLMEmbeddings] = MiniLMEmbeddings.load) -> None:
        self._load = load

    @cached_property
    def encoder(self) -> MiniLMEmbeddings:
        return self._load()

    def chat(self) -> ChatModel:
        """Answers with sentences of the sources."""
        selector = AnswerSelector(self.encoder)
        model = ExtractiveChatModel(encoder=self.encoder, selector=selector, threshold=ANSWER_THRESHOLD)
        return ChatModel(LOCAL_CHAT, model)

    def embedding(self) -> EmbeddingModel:
        return EmbeddingModel(
            LOCAL_EMBEDDINGS,
            self.encoder,
            self.encoder.dimensions,
            self.encoder,
            chunk_tokens=CHUNK_TOKENS,
            fusion=LOCAL_FUSION,
            concurrency=8,  # documents whose texts share batches
        )
