"""Models with what those who use them must know."""

from dataclasses import dataclass

from langchain_core.embeddings import Embeddings
from langchain_core.language_models.chat_models import BaseChatModel

from rag.fuse import DEFAULT_FUSION, Fusion
from rag.tokens import Tokenizer


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
