"""The extractive answerer on the half of SQuAD 2.0 that its weights have not seen.

    python -m tests.benchmarks.bench_extractive

Environment:
    GROUNDWORK_BENCH_DATA: folder of the shared data sets; default `../shared/data`.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from eval.datasets import SquadDataset, load_squad, split_by_article
from eval.fit_extractive import CachedEncoder, data_folder, retrieve, split_sentences
from eval.metrics import Interval, auroc, bootstrap_interval, contains_answer
from rag.models.answer_selection import AnswerSelector, Selection
from rag.models.answer_weights import ANSWER_THRESHOLD
from rag.models.minilm import MiniLMEmbeddings
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information, print_table

TIMED = 100


def run() -> list[BenchmarkRow]:
    corpus = load_squad(data_folder() / "squad2_dev_half" / "dev-v2.0.json")
    _, held_out = split_by_article(corpus)
    encoder = MiniLMEmbeddings.load()
    cached = CachedEncoder(encoder)
    sentences = [split_sentences(p.text) for p in corpus.paragraphs]
    found = [[sentences[i] for i in top] for top in retrieve(held_out, cached, corpus)]
    gold = [[split_sentences(held_out.paragraphs[q.paragraph].text)] for q in held_out.questions]
    given = _select(AnswerSelector(cached), held_out, gold)
    end_to_end = _select(AnswerSelector(cached), held_out, found)
    return [
        *_rows("gold paragraph", held_out, given, contained=0.94, ranked=0.70),
        *_rows("end to end", held_out, end_to_end, contained=0.86, ranked=0.70),
        *_after_abstaining(held_out, end_to_end),
        _latency(AnswerSelector(encoder), held_out, found),
    ]


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


def _answerable(dataset: SquadDataset) -> NDArray[np.bool_]:
    return np.array([q.is_answerable for q in dataset.questions])


def _rows(
    setting: str, dataset: SquadDataset, selections: Sequence[Selection], *, contained: float, ranked: float
) -> list[BenchmarkRow]:
    labels = _answerable(dataset)
    right = _right(dataset, selections)[labels]
    chance = np.array([s.answerable for s in selections])
    containment = bootstrap_interval(lambda drawn: float(right[drawn].mean()), len(right))
    area = bootstrap_interval(lambda drawn: auroc(chance[drawn], labels[drawn]), len(labels))
    return [
        at_least(f"{setting}: answer contained {_bounds(containment)}", containment.value, contained),
        at_least(f"{setting}: answerability AUROC {_bounds(area)}", area.value, ranked),
    ]


def _bounds(interval: Interval) -> str:
    return f"[{interval.low:.3f}, {interval.high:.3f}]"


def _after_abstaining(dataset: SquadDataset, selections: Sequence[Selection]) -> list[BenchmarkRow]:
    labels = _answerable(dataset)
    right = _right(dataset, selections)[labels]
    answered = np.array([s.answerable >= ANSWER_THRESHOLD for s in selections])
    lost = float((right & ~answered[labels]).mean())
    return [
        at_most("end to end: right answers lost by abstaining", lost, 0.05),
        for_information("end to end: abstains on unanswerable", float((~answered[~labels]).mean())),
    ]


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
