"""Up to 100,000 chunks without a download: the AWS guides' own, then passages of their sentences, mixed anew.

A mixed chunk takes consecutive sentences of three chunks of the guides; its vector is their mean with noise
of a third of its length. Sizes, plans and times are those of such prose. How well anything is found, or how
many different words a corpus of that size has, is not to be read off it (`prose.py` is real throughout).
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.corpus_vectors import load_aws_chunks, load_vectors
from tests.benchmarks.search_database import BenchChunk

PARENTS = 3
SOURCE_CHUNKS = 10  # of each mixed source
NOISE = 1 / 3
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def remixed(size: int) -> tuple[list[BenchChunk], NDArray[np.float32]]:
    """Chunks, and their vectors (size, 384), L2-normalised. A smaller corpus is the start of a larger one."""
    chunks = [
        BenchChunk(f"aws/{chunk.document_id}", chunk.title, chunk.text, chunk.heading_path)
        for chunk in load_aws_chunks()
    ]
    vectors = load_vectors([chunk.text for chunk in chunks])
    if size <= len(chunks):
        return chunks[:size], vectors[:size]
    parents = np.random.default_rng(0).integers(0, len(chunks), (size - len(chunks), PARENTS))
    rng = np.random.default_rng(2)
    mixed = [_mixed(at, [chunks[parent] for parent in row], rng) for at, row in enumerate(parents)]
    return chunks + mixed, np.concatenate([vectors, _mixed_vectors(vectors, parents)])


def _mixed(at: int, parents: Sequence[BenchChunk], rng: np.random.Generator) -> BenchChunk:
    words = " ".join(_part(parent.text, rng) for parent in parents)
    source = at // SOURCE_CHUNKS
    return BenchChunk(f"mixed/{source}", f"{parents[0].title} {source}", words)


def _part(text: str, rng: np.random.Generator) -> str:
    """A third of a text's sentences, from anywhere in it."""
    sentences = _SENTENCE_END.split(text)
    take = max(1, len(sentences) // PARENTS)
    first = int(rng.integers(0, len(sentences) - take + 1))
    return " ".join(sentences[first : first + take])


def _mixed_vectors(vectors: NDArray[np.float32], parents: NDArray[np.int64]) -> NDArray[np.float32]:
    rng = np.random.default_rng(1)
    mean = vectors[parents].mean(axis=1)
    noise = rng.standard_normal(mean.shape, np.float32)
    mixed = mean + noise * (NOISE * _lengths(mean) / _lengths(noise))
    normalised: NDArray[np.float32] = mixed / _lengths(mixed)
    return normalised


def _lengths(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths: NDArray[np.float32] = np.linalg.norm(rows, axis=1, keepdims=True)
    return lengths
