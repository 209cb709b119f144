"""The corpora of the speed benchmarks: AWS guides and Debian's documentation, 100,000 or 300,000 chunks."""

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.corpus_vectors import CHUNKS, load_aws_chunks, load_vectors
from tests.benchmarks.debian_docs import load_chunks
from tests.benchmarks.search_database import BenchChunk


def prose(size: int) -> list[BenchChunk]:
    """All of the AWS guides' chunks, then Debian's, `size` in all."""
    aws = [
        BenchChunk(f"aws/{chunk.document_id}", chunk.title, chunk.text, chunk.heading_path)
        for chunk in load_aws_chunks()
    ]
    debian = [
        BenchChunk(f"{chunk.package}/{chunk.path}", chunk.title, chunk.text)
        for chunk in load_chunks(size - len(aws))
    ]
    return aws + debian


def prose_vectors() -> NDArray[np.float32]:
    """Vectors of `prose(100_000)`, in its order."""
    aws = load_vectors([chunk.text for chunk in load_aws_chunks()])
    debian = load_vectors([chunk.text for chunk in load_chunks(CHUNKS)])
    return np.concatenate([aws, debian[: CHUNKS - len(aws)]])
