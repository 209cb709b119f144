"""The extractive answerer, given the gold paragraph, on the half of SQuAD 2.0 that it was not fitted on."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from eval.datasets import SquadDataset, load_squad, split_by_article
from eval.fit_extractive import CachedEncoder, split_sentences
from eval.metrics import Interval, auroc, bootstrap_interval, contains_answer
from rag.models.answer_selection import AnswerSelector, Selection
from rag.models.minilm import MiniLMEmbeddings
from tests.benchmarks.data import DATA
from tests.benchmarks.report import BenchmarkRow, at_least, for_information, print_table

FILE = DATA / "squad2_dev_half" / "dev-v2.0.json"
TIMED = 100


def run() -> list[BenchmarkRow]:
    _, held_out = split_by_article(load_squad(FILE))
    encoder = MiniLMEmbeddings.load()
    sentences = [split_sentences(paragraph.text) for paragraph in held_out.paragraphs]
    gold = [[sentences[question.paragraph]] for question in held_out.questions]
    given = _select(AnswerSelector(CachedEncoder(encoder)), held_out, gold)
    eight = [sentences[question.paragraph :][:8] for question in held_out.questions]
    return [*_rows(held_out, given), _latency(AnswerSelector(encoder), held_out, eight)]


def _select(
    selector: AnswerSelector, dataset: SquadDataset, sources: Sequence[Sequence[Sequence[str]]]
) -> list[Selection]:
    return [selector.select(q.text, s) for q, s in zip(dataset.questions, sources, strict=True)]


def _right(dataset: SquadDataset, selections: Sequence[Selection]) -> NDArray[np.bool_]:
    return np.array(
        [
            any(contains_answer(pick.text, question.answers) for pick in selection.picks)
            for question, selection in zip(dataset.questions, selections, strict=True)
        ]
    )


def _rows(dataset: SquadDataset, selections: Sequence[Selection]) -> list[BenchmarkRow]:
    labels = np.array([q.is_answerable for q in dataset.questions])
    right = _right(dataset, selections)[labels]
    chance = np.array([s.answerable for s in selections])
    containment = bootstrap_interval(lambda drawn: float(right[drawn].mean()), len(right))
    area = bootstrap_interval(lambda drawn: auroc(chance[drawn], labels[drawn]), len(labels))
    return [
        at_least(f"answer contained, 95 % interval {_bounds(containment)}", containment.value, 0.94),
        at_least(f"answerability AUROC, 95 % interval {_bounds(area)}", area.value, 0.70),
        for_information("questions", len(labels)),
    ]


def _bounds(interval: Interval) -> str:
    return f"[{interval.low:.3f}, {interval.high:.3f}]"


def _latency(
    selector: AnswerSelector, dataset: SquadDataset, sources: Sequence[Sequence[Sequence[str]]]
) -> BenchmarkRow:
    subset = replace(dataset, questions=dataset.questions[:TIMED])
    times: list[float] = []
    for question, source in zip(subset.questions, sources, strict=False):
        start = time.perf_counter()
        selector.select(question.text, source)
        times.append(time.perf_counter() - start)
    return for_information("one selection from 8 paragraphs, p50", float(np.median(times)) * 1000, "ms")


if __name__ == "__main__":
    print_table(run())
