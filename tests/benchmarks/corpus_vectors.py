"""The search benchmarks' corpus besides Debian's documentation: AWS chunks, questions, and vectors for all.

Vectors are MiniLM's of the first `VECTOR_TOKENS` tokens of each text only: real text and real neighbourhoods,
cut so that embedding 100,000 chunks takes minutes rather than an hour. They measure speed and plans, and
recall against an exact search over the same vectors; they say nothing of how well whole chunks are found.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.chunking import chunk_document
from rag.models.minilm import WEIGHTS_SHA256, MiniLMEmbeddings
from rag.parse import parse
from tests.benchmarks.data import DATA, ROOT
from tests.benchmarks.debian_docs import CHUNK_TOKENS, load_chunks

FOLDER = Path(os.environ.get("GROUNDWORK_BENCH_CACHE", ROOT / ".data" / "bench")) / "vectors"
AWS = DATA / "aws_docs_qa_dev"
DEBIAN_QUESTIONS = Path(__file__).with_name("questions_debian.txt")
CHUNKS = 100_000
VECTOR_TOKENS = 48
CUT_WITHIN = (
    600  # characters; 48 tokens of prose take about 220, and of anything that was kept fewer than this
)
OVERLAP_TOKENS = 30  # the default of CHUNK_OVERLAP_TOKENS


@dataclass(frozen=True, slots=True)
class AwsChunk:
    """A passage of an AWS guide; `document_id` is what questions name as their gold document."""

    document_id: str
    title: str
    heading_path: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question; only those about AWS say which document answers them."""

    text: str
    gold_document_id: str | None = None


def load_aws_chunks() -> list[AwsChunk]:
    """The 1,231 AWS documents, cut up as the product does it by default, in the order of their paths."""
    encoder = MiniLMEmbeddings.load()
    paths = sorted((AWS / "documents").rglob("*.md"))
    return [chunk for path in paths for chunk in _chunks(path, encoder)]


def _chunks(path: Path, encoder: MiniLMEmbeddings) -> list[AwsChunk]:
    document_id = path.relative_to(AWS / "documents").as_posix()
    document = parse(path.read_bytes(), filename=path.name, mime_type=None)
    chunks = chunk_document(
        document, tokenizer=encoder, target_tokens=CHUNK_TOKENS, overlap_tokens=OVERLAP_TOKENS
    )
    title = document.title or path.stem
    return [AwsChunk(document_id, title, chunk.heading_path, chunk.text) for chunk in chunks]


def load_questions() -> list[Question]:
    """62 questions about AWS, then those about what Debian documents."""
    lines = (AWS / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    aws = [json.loads(line) for line in lines]
    debian = DEBIAN_QUESTIONS.read_text(encoding="utf-8").splitlines()
    return [Question(item["question"], item["gold_doc"]) for item in aws] + [Question(q) for q in debian if q]


def load_vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """Vectors of the texts' beginnings, (n, 384), L2-normalised; kept under a hash of the texts."""
    file = vectors_file(texts)
    if not file.exists():
        encoder = MiniLMEmbeddings.load()
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".tmp.npy")
        np.save(unfinished, encoder.encode([beginning(text, encoder) for text in texts]))
        unfinished.rename(file)
    vectors: NDArray[np.float32] = np.load(file)
    return vectors


def vectors_file(texts: Sequence[str]) -> Path:
    digest = hashlib.sha256(f"{WEIGHTS_SHA256} {VECTOR_TOKENS}".encode())
    for text in texts:
        digest.update(hashlib.sha256(text.encode()).digest())
    return FOLDER / f"{digest.hexdigest()[:16]}.npy"


def beginning(text: str, encoder: MiniLMEmbeddings) -> str:
    """The first `VECTOR_TOKENS` tokens of a text."""
    spans = encoder.token_spans(text[:CUT_WITHIN])[:VECTOR_TOKENS]
    return text[: spans[-1][1]] if spans else ""


if __name__ == "__main__":
    corpus = [chunk.text for chunk in load_chunks(CHUNKS)]
    print(load_vectors(corpus).shape, vectors_file(corpus))
