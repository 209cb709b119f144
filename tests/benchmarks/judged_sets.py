"""Public question sets with relevance judgments, as corpora, and MiniLM's vectors of their whole chunks.

A judgment names documents, which are the corpus' sources. Only the documents about AWS have several chunks;
everywhere else a document is one passage.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.datasets import load_squad
from rag.embedding_text import embedding_text
from rag.models.minilm import WEIGHTS_SHA256, MiniLMEmbeddings
from tests.benchmarks.corpus_vectors import FOLDER, load_aws_chunks, load_questions
from tests.benchmarks.data import DATA
from tests.benchmarks.search_database import BenchChunk

CRANFIELD = DATA / "ir_cranfield"
SQUAD2 = DATA / "squad2_dev_half" / "dev-v2.0.json"
CLAPNQ = DATA / "clapnq_dev"
HOTPOTQA = DATA / "multihop_hotpotqa"
XQUAD = DATA / "xquad"


@dataclass(frozen=True, slots=True)
class JudgedQuestion:
    """A question, and the sources that answer it: binary judgments, at least one."""

    text: str
    relevant: frozenset[str]


@dataclass(frozen=True, slots=True)
class JudgedSet:
    name: str
    chunks: tuple[BenchChunk, ...]
    questions: tuple[JudgedQuestion, ...]

    def draw(self, size: int) -> list[int]:
        """Which questions a sample of this size has, in their order: the same ones each time."""
        drawn = np.random.default_rng(0).permutation(len(self.questions))[:size]
        return sorted(drawn.tolist())

    def only(self, questions: Sequence[int]) -> "JudgedSet":
        """The whole corpus with these of the questions."""
        return replace(self, questions=tuple(self.questions[at] for at in questions))


@dataclass(slots=True)
class _Passages:
    """Passages in the order in which they are first met, each text once."""

    chunks: list[BenchChunk] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)

    def add(self, title: str, text: str) -> str:
        """The source that the passage makes up."""
        if text not in self.sources:
            self.sources[text] = f"{len(self.chunks)} {title}"
            self.chunks.append(BenchChunk(self.sources[text], title, text))
        return self.sources[text]


def load_judged_sets() -> list[JudgedSet]:
    return [load_cranfield(), load_squad2(), load_clapnq(), load_hotpotqa(), load_aws()]


def load_cranfield() -> JudgedSet:
    """225 questions about aerodynamics; 1,398 of the 1,400 abstracts, for two are empty."""
    documents = [item for item in _lines(CRANFIELD / "corpus.jsonl") if item["text"].strip()]
    chunks = tuple(BenchChunk(item["_id"], item["title"], item["text"]) for item in documents)
    stored = {chunk.source for chunk in chunks}
    relevant: dict[str, set[str]] = defaultdict(set)
    for line in (CRANFIELD / "qrels.tsv").read_text("utf-8").splitlines()[1:]:
        query, document, score = line.split("\t")
        if int(score) > 0 and document in stored:
            relevant[query].add(document)
    queries = _lines(CRANFIELD / "queries.jsonl")
    questions = (JudgedQuestion(item["text"], frozenset(relevant[item["_id"]])) for item in queries)
    return JudgedSet("Cranfield", chunks, tuple(q for q in questions if q.relevant))


def load_squad2() -> JudgedSet:
    """The answerable questions of SQuAD 2.0's half, each about one paragraph."""
    dataset, passages = load_squad(SQUAD2), _Passages()
    sources = [passages.add(p.article.replace("_", " "), p.text) for p in dataset.paragraphs]
    questions = (
        JudgedQuestion(q.text, frozenset({sources[q.paragraph]}))
        for q in dataset.questions
        if q.is_answerable
    )
    return JudgedSet("SQuAD2", tuple(passages.chunks), tuple(questions))


def load_clapnq() -> JudgedSet:
    """ClapNQ's answerable questions; the passages of the unanswerable ones are in the corpus too."""
    passages, questions = _Passages(), []
    for kind in ("answerable", "unanswerable"):
        for item in _lines(CLAPNQ / f"clapnq_dev_{kind}.jsonl"):
            gold = frozenset([passages.add(p["title"], p["text"]) for p in item["passages"]])
            if kind == "answerable":
                questions.append(JudgedQuestion(item["input"], gold))
    return JudgedSet("ClapNQ", tuple(passages.chunks), tuple(questions))


def load_hotpotqa() -> JudgedSet:
    """Questions that take two articles to answer."""
    articles = json.loads((HOTPOTQA / "hotpotqa_train_corpus.json").read_text("utf-8"))
    items = json.loads((HOTPOTQA / "hotpotqa_train.json").read_text("utf-8"))
    return JudgedSet(
        "HotpotQA",
        tuple(BenchChunk(title, title, "".join(sentences)) for title, sentences in articles.items()),
        tuple(JudgedQuestion(q["question"], frozenset(t for t, _ in q["supporting_facts"])) for q in items),
    )


def load_aws() -> JudgedSet:
    """62 questions about AWS' guides, cut into chunks as the product does it by default."""
    return JudgedSet(
        "AWS",
        tuple(BenchChunk(c.document_id, c.title, c.text, c.heading_path) for c in load_aws_chunks()),
        tuple(
            JudgedQuestion(question.text, frozenset({question.gold_document_id}))
            for question in load_questions()
            if question.gold_document_id
        ),
    )


def load_xquad(language: str) -> JudgedSet:
    """The same 240 paragraphs and 1,190 questions in each language.

    Without titles, which XQuAD has in English only.
    """
    dataset = load_squad(XQUAD / f"xquad.{language}.json")
    sources = [f"{language} {at}" for at in range(len(dataset.paragraphs))]
    return JudgedSet(
        f"XQuAD {language}",
        tuple(
            BenchChunk(source, "", paragraph.text, language=language)
            for source, paragraph in zip(sources, dataset.paragraphs, strict=True)
        ),
        tuple(JudgedQuestion(q.text, frozenset({sources[q.paragraph]})) for q in dataset.questions),
    )


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def chunk_vectors(chunks: Sequence[BenchChunk]) -> NDArray[np.float32]:
    """Vectors of the chunks behind their title and headings, as ingestion embeds them: (n, 384)."""
    encoder = MiniLMEmbeddings.load()
    return _vectors([embedding_text(c.title, c.headings, c.text, tokenizer=encoder) for c in chunks], encoder)


def question_vectors(questions: Sequence[JudgedQuestion]) -> NDArray[np.float32]:
    return _vectors([question.text for question in questions], MiniLMEmbeddings.load())


def _vectors(texts: Sequence[str], encoder: MiniLMEmbeddings) -> NDArray[np.float32]:
    """Vectors of whole texts, kept under a hash of the texts."""
    digest = hashlib.sha256(f"{WEIGHTS_SHA256} whole".encode())
    for text in texts:
        digest.update(hashlib.sha256(text.encode()).digest())
    file = FOLDER / f"{digest.hexdigest()[:16]}.npy"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".tmp.npy")
        np.save(unfinished, encoder.encode(texts))
        unfinished.rename(file)
    vectors: NDArray[np.float32] = np.load(file)
    return vectors
