"""Fits the weights of `rag.models.answer_weights` and prints how they do.

    python -m eval.fit_extractive [--crossed]

SQuAD 2.0's articles are dealt into two halves. The weights come from the first half only: sentence weights
from answerable questions, given the gold paragraph and given eight retrieved ones; answerability weights from
all its questions in both settings and from questions put to another article's paragraphs. The other half is
held out. `--crossed` exchanges the halves, which shows how far the figures depend on the articles.

Environment:
    GROUNDWORK_BENCH_DATA: folder of the shared data sets; default `../shared/data`.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.bm25 import bm25_scores
from eval.datasets import SquadDataset, SquadQuestion, data_folder, load_squad, split_by_article
from eval.groundedness import split_sentences
from eval.logistic import RIDGE, Matrix, column_scale, fit_logistic, sigmoid
from eval.metrics import auroc, contains_answer
from rag.models.answer_features import FEATURES
from rag.models.answer_question import TokenStates
from rag.models.answer_quote import choose
from rag.models.answer_selection import AnswerSelector, Reading, softmax
from rag.models.answer_weights import ANSWER_THRESHOLD, Weights
from rag.models.answerability import SIGNALS, signals
from rag.models.minilm import MiniLMEmbeddings

__all__ = ["CachedEncoder", "split_sentences"]

RETRIEVED = 8  # paragraphs of the end-to-end setting
RRF_CONSTANT = 60
OFF_TOPIC_EVERY = 4  # questions also put to another article


class CachedEncoder:
    """Encodes each text once: the halves' paragraphs recur in many questions."""

    def __init__(self, encoder: MiniLMEmbeddings) -> None:
        self._encoder = encoder
        self._known: dict[str, TokenStates] = {}

    def encode_tokens(self, texts: Sequence[str], *, background: bool = False) -> list[TokenStates]:
        missing = list(dict.fromkeys(t for t in texts if t not in self._known))
        if missing:
            self._known.update(zip(missing, self._encoder.encode_tokens(missing), strict=True))
        return [self._known[t] for t in texts]


@dataclass(frozen=True, slots=True)
class Example:
    """A question as the selector reads it.

    Attributes:
        reading: The measured sentences.
        holds: Which sentences hold a gold answer, in the gold paragraph.
        answers: The gold answers; empty if the question has none.
    """

    reading: Reading
    holds: NDArray[np.bool_]
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Half:
    """A half in three settings, question by question in the same order (off-topic: some of them)."""

    gold: tuple[Example, ...]
    retrieved: tuple[Example, ...]
    off_topic: tuple[Example, ...]


def retrieve(dataset: SquadDataset, encoder: CachedEncoder, corpus: SquadDataset) -> NDArray[np.intp]:
    """Indices of RETRIEVED paragraphs of the corpus for each question: BM25 and vectors, fused by rank."""
    texts = [f"{p.article.replace('_', ' ')} {p.text}" for p in corpus.paragraphs]
    questions = [q.text for q in dataset.questions]
    passages = np.stack([s.vector for s in encoder.encode_tokens([p.text for p in corpus.paragraphs])])
    asked = np.stack([s.vector for s in encoder.encode_tokens(questions)])
    fused = np.zeros((len(questions), len(texts)))
    for scores in (asked @ passages.T, bm25_scores(texts, questions)):
        fused += 1 / (RRF_CONSTANT + 1 + np.argsort(np.argsort(-scores, axis=1), axis=1))
    top: NDArray[np.intp] = np.argsort(-fused, axis=1)[:, :RETRIEVED]
    return top


def read_half(half: SquadDataset, corpus: SquadDataset, encoder: CachedEncoder) -> Half:
    """Read a half's questions; the whole corpus is searched in the retrieved setting."""
    selector = AnswerSelector(encoder)
    sentences = {p.text: split_sentences(p.text) for p in corpus.paragraphs}
    found = retrieve(half, encoder, corpus)
    gold: list[Example] = []
    retrieved: list[Example] = []
    off_topic: list[Example] = []
    for at, question in enumerate(half.questions):
        home = half.paragraphs[question.paragraph]
        near = [corpus.paragraphs[i].text for i in found[at]]
        gold.append(_example(selector, question, [home.text], home.text, sentences))
        retrieved.append(_example(selector, question, near, home.text, sentences))
        stranger = (at + len(half.questions) // 2) % len(half.questions)
        if at % OFF_TOPIC_EVERY == 0:
            far = [p for p in (corpus.paragraphs[i] for i in found[stranger]) if p.article != home.article]
            off_topic.append(_example(selector, question, [p.text for p in far], "", sentences))
    return Half(tuple(gold), tuple(retrieved), tuple(e for e in off_topic if e.reading.sentences))


def _example(
    selector: AnswerSelector,
    question: SquadQuestion,
    sources: Sequence[str],
    gold: str,
    sentences: dict[str, list[str]],
) -> Example:
    reading = selector.read(question.text, [sentences[s] for s in sources])
    if reading is None:
        raise ValueError(f"nothing to read for {question.id}")
    holds = [
        sources[s.source] == gold and contains_answer(s.text, question.answers) for s in reading.sentences
    ]
    return Example(reading, np.array(holds), question.answers)


def fit_shares(examples: Sequence[Example], iterations: int = 30) -> Matrix:
    """Weights that maximise Σ log(share of the sentences that hold the answer) − ridge/2 |w|².

    Newton's method with the Hessian of the shares alone, which bounds the true one: every step goes up.
    """
    useful = [e for e in examples if e.holds.any() and not e.holds.all()]
    matrices = [e.reading.evidence.matrix for e in useful]
    scale = column_scale(np.concatenate(matrices))
    weights = np.zeros(len(FEATURES))
    for _ in range(iterations):
        gradient = -RIDGE * weights
        hessian = RIDGE * np.eye(len(weights))
        for example, raw in zip(useful, matrices, strict=True):
            matrix = (raw - raw.mean(0)) / scale
            shares = softmax(matrix @ weights)
            target = shares * example.holds / (shares * example.holds).sum()
            gradient += (target - shares) @ matrix
            centred = matrix - shares @ matrix
            hessian += (centred * shares[:, None]).T @ centred
        weights += np.linalg.solve(hessian, gradient)
    return weights / scale


def fit(half: Half) -> Weights:
    sentence = fit_shares([*half.gold, *half.retrieved])
    examples = [*half.gold, *half.retrieved, *half.off_topic]
    rows = np.stack([_signals(e, sentence) for e in examples])
    answerable, bias = fit_logistic(rows, np.array([bool(e.holds.any()) for e in examples]))
    return Weights(sentence, answerable, bias)


def _shares(example: Example, sentence: Matrix) -> Matrix:
    return example.reading.shares(sentence)


def _signals(example: Example, sentence: Matrix) -> Matrix:
    reading = example.reading
    return signals(reading.question, reading.sentences, reading.evidence, _shares(example, sentence))


def answerability(examples: Sequence[Example], weights: Weights) -> Matrix:
    logits = np.stack([_signals(e, weights.sentence) for e in examples]) @ weights.answerable + weights.bias
    return sigmoid(logits)


def contained(examples: Sequence[Example], weights: Weights) -> NDArray[np.bool_]:
    """For each example, whether what is quoted holds a gold answer."""
    return np.array([_contained(e, weights) for e in examples])


def _contained(example: Example, weights: Weights) -> bool:
    reading = example.reading
    picks = choose(reading.question, reading.sentences, _shares(example, weights.sentence))
    return any(contains_answer(p.text, example.answers) for p in picks)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def report(name: str, half: Half, weights: Weights, threshold: float) -> None:
    _say(f"{name}: {len(half.gold)} questions")
    for setting, examples in (("gold paragraph", half.gold), ("retrieved", half.retrieved)):
        chance = answerability(examples, weights)
        has_answer = np.array([bool(e.answers) for e in examples])
        right = contained([e for e in examples if e.answers], weights)
        kept = right & (chance[has_answer] >= threshold)
        _say(
            f"  {setting}: contained {right.mean():.4f}, after abstaining {kept.mean():.4f}; "
            f"auroc {auroc(chance, has_answer):.4f}; answers {(chance[has_answer] >= threshold).mean():.3f} "
            f"of the answerable, abstains on {(chance[~has_answer] < threshold).mean():.3f} of the others"
        )
    _say(f"  off topic: abstains on {(answerability(half.off_topic, weights) < threshold).mean():.4f}")


def threshold_at(half: Half, weights: Weights, *, loss: float) -> float:
    """The threshold that loses `loss` of the answers contained end to end."""
    examples = [e for e in half.retrieved if e.answers]
    chance = answerability(examples, weights)[contained(examples, weights)]
    return float(np.sort(chance)[int(loss * len(examples))])


def say_weights(weights: Weights) -> None:
    for label, names, values in (
        ("sentence", FEATURES, weights.sentence),
        ("answerable", SIGNALS, weights.answerable),
    ):
        _say(f"{label}:")
        for name, value in zip(names, values, strict=True):
            _say(f'    "{name}": {value:.3f},')
    _say(f"bias: {weights.bias:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--crossed", action="store_true", help="fit on the second half, hold out the first")
    crossed = parser.parse_args().crossed
    corpus = load_squad(data_folder() / "squad2_dev_half" / "dev-v2.0.json")
    encoder = CachedEncoder(MiniLMEmbeddings.load())
    halves = [read_half(half, corpus, encoder) for half in split_by_article(corpus)]
    development, held_out = reversed(halves) if crossed else halves
    weights = fit(development)
    say_weights(weights)
    threshold = threshold_at(development, weights, loss=0.04)
    _say(f"threshold that loses 0.04 of the development half's answers: {threshold:.3f}")
    for name, half in (("development half", development), ("held-out half", held_out)):
        report(name, half, weights, ANSWER_THRESHOLD)


if __name__ == "__main__":
    main()
