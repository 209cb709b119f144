"""How soon a shift of topics is told, and how often an alarm is false: simulated traffic of real questions.

A tenant usually asks about nine articles of SQuAD 2.0, and its documents are the paragraphs of these; 1,000
questions a day are drawn from them, and each day the articles' shares differ a little (a Dirichlet
distribution, standard deviation of about two hundredths). After the reference and some days, three in ten
questions are about another topic: one of the other articles, with and without documents about it; AWS;
or what ClapNQ's users ask of Wikipedia. A simulated month without a shift must not alarm more than once.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.datasets import load_squad
from feedback.quality.drift import BLOCK, REFERENCE, DriftState, Observation
from feedback.quality.projection import project
from rag.models.minilm import WEIGHTS_SHA256, MiniLMEmbeddings
from tests.benchmarks.corpus_vectors import FOLDER
from tests.benchmarks.data import DATA
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information, print_table

A_DAY = 1000  # questions
DAYS = 30
MONTHS = 40
SHIFTED = 0.3
WITHIN = 500  # questions
TRIES = 20  # of each topic
USUAL_ARTICLES = 9
CONCENTRATION = 200.0  # of the daily shares around the articles' own
SEED = 1  # LIMIT was chosen with another

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Topic:
    """Questions of one topic: projected, each with the similarity of its best passage."""

    name: str
    vectors: NDArray[np.float64]
    scores: NDArray[np.float64]


def embed(encoder: MiniLMEmbeddings, texts: Sequence[str]) -> Vectors:
    """The texts' vectors, kept from run to run."""
    digest = hashlib.sha256("\0".join((WEIGHTS_SHA256, *texts)).encode()).hexdigest()
    kept = FOLDER / f"drift-{digest[:16]}.npy"
    if not kept.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        np.save(kept, np.array(encoder.embed_documents(list(texts)), np.float32))
    vectors: Vectors = np.load(kept)
    return vectors


def _questions(path: str, field: str) -> list[str]:
    lines = (DATA / path).read_text(encoding="utf-8").splitlines()
    return [json.loads(line)[field] for line in lines if line.strip()]


def load_topics() -> tuple[list[Topic], list[Topic]]:
    """The usual topics and the others."""
    encoder = MiniLMEmbeddings.load()
    squad = load_squad(DATA / "squad2_dev_half" / "dev-v2.0.json")
    articles = sorted({paragraph.article for paragraph in squad.paragraphs})
    asked = {
        name: [q.text for q in squad.questions if squad.paragraphs[q.paragraph].article == name]
        for name in articles
    }
    passages = embed(encoder, [paragraph.text for paragraph in squad.paragraphs])
    of = np.array([articles.index(paragraph.article) for paragraph in squad.paragraphs])
    usual = of < USUAL_ARTICLES

    def topic(name: str, texts: Sequence[str], known: NDArray[np.bool_]) -> Topic:
        vectors = embed(encoder, texts)
        return Topic(name, project(vectors), (vectors @ passages[known].T).max(1).astype(np.float64))

    others = [
        topic(f"{name}, {'with' if has else 'no'} documents", asked[name], usual | (has & (of == number)))
        for number, name in enumerate(articles)
        if number >= USUAL_ARTICLES
        for has in (True, False)
    ]
    aws = _questions("aws_docs_qa_dev/questions.jsonl", "question")
    clapnq = _questions("clapnq_dev/clapnq_dev_answerable.jsonl", "input")
    others += [topic("AWS", aws, usual), topic("ClapNQ", clapnq, usual)]
    return [topic(name, asked[name], usual) for name in articles[:USUAL_ARTICLES]], others


def traffic(draw: np.random.Generator, usual: Sequence[Topic]) -> Iterator[Observation]:
    """Usual questions without an end."""
    shares = np.array([len(topic.scores) for topic in usual], float)
    shares /= shares.sum()
    while True:
        today = draw.dirichlet(shares * CONCENTRATION)
        for number in draw.choice(len(usual), A_DAY, p=today):
            yield pick(draw, usual[number])


def pick(draw: np.random.Generator, topic: Topic) -> Observation:
    at = int(draw.integers(len(topic.scores)))
    return Observation(topic.vectors[at], float(topic.scores[at]))


def false_alarms(draw: np.random.Generator, usual: Sequence[Topic]) -> tuple[int, float]:
    """In a month without a shift; and the largest standard score in it."""
    state, stream = DriftState(), traffic(draw, usual)
    alarms, largest = 0, 0.0
    for _ in range((REFERENCE + DAYS * A_DAY) // BLOCK):
        alarms += len(state.observe([next(stream) for _ in range(BLOCK)]))
        largest = max(largest, float(state.statistics.max()))
    return alarms, largest


def delay(draw: np.random.Generator, usual: Sequence[Topic], other: Topic) -> int:
    """Questions from the shift to the alarm; ten times WITHIN where there was none before that.

    The shift may come at any place of a block and after up to three days; what alarms before it is left out.
    """
    state, stream = DriftState(), traffic(draw, usual)
    quiet = REFERENCE + int(draw.integers(3 * A_DAY))
    while state.observe([next(stream) for _ in range(quiet)]):
        state, stream = DriftState(), traffic(draw, usual)
    for passed in range(1, 10 * WITHIN):
        usual_one = next(stream)
        one = pick(draw, other) if draw.random() < SHIFTED else usual_one
        if state.observe([one]):
            return passed
    return 10 * WITHIN


def run() -> list[BenchmarkRow]:
    usual, others = load_topics()
    draw = np.random.default_rng(SEED)
    quiet = [false_alarms(draw, usual) for _ in range(MONTHS)]
    alarms = [found for found, _ in quiet]
    delays = {topic.name: [delay(draw, usual, topic) for _ in range(TRIES)] for topic in others}
    for name, passed in sorted(delays.items(), key=lambda each: -max(each[1])):
        print(f"{name:<60} median {np.median(passed):>6.0f}  longest {max(passed):>6}")
    everything = [passed for each in delays.values() for passed in each]
    return [
        for_information("largest standard score of a month, median", float(np.median([z for _, z in quiet]))),
        for_information("the same, worst of 40", max(z for _, z in quiet)),
        at_most("false alarms in 30 days, mean", float(np.mean(alarms)), 1.0),
        at_most("false alarms in 30 days, worst of 40", float(max(alarms)), 1.0),
        for_information("shifts", len(everything)),
        for_information("questions to the alarm, median", float(np.median(everything))),
        at_least(f"alarms within {WITHIN}", float(np.mean(np.array(everything) <= WITHIN)), 0.95),
    ]


if __name__ == "__main__":
    print_table(run())
