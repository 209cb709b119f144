"""Citation checks on human-written answers (ClapNQ), with each citation also swapped to a wrong passage.

The wrong passage is the most similar other one of the set: as near as what a search would put beside the
right one. The threshold was chosen on the other third of the answers.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rag.cite import verify_sentence
from rag.models.minilm import MiniLMEmbeddings
from rag.ports import Passage
from rag.sentences import sentence_spans
from tests.benchmarks.data import DATA
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information, print_table
from tests.unit.rag.passages import make_passage

FILE = DATA / "clapnq_dev" / "clapnq_dev_answerable.jsonl"
ANSWERS = 200


@dataclass(frozen=True, slots=True)
class Answered:
    """A question's human answer and the passage that it was written from."""

    sentences: list[str]
    passage: Passage


def read_answers(file: Path) -> list[Answered]:
    answers = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
        record = json.loads(line)
        passage = record["passages"][0]
        answer = record["output"][0]["answer"]
        sentences = [answer[start:end] for start, end in sentence_spans(answer)]
        sentences = [sentence for sentence in sentences if any(map(str.isalnum, sentence))]
        answers.append(
            Answered(sentences, make_passage(passage["text"], number=number, title=passage["title"]))
        )
    return answers


def most_similar(passages: list[Passage], encoder: MiniLMEmbeddings) -> list[int]:
    """For each passage the nearest other one."""
    vectors = encoder.encode([f"{passage.title} {passage.text}" for passage in passages])
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -1)
    return [int(nearest) for nearest in similarity.argmax(axis=1)]


def is_kept(sentence: str, passage: Passage) -> bool:
    return bool(verify_sentence(f"{sentence} [1]", [passage]).citations)


def run() -> list[BenchmarkRow]:
    answers = read_answers(FILE)
    neighbours = most_similar([answer.passage for answer in answers], MiniLMEmbeddings.load())
    held_out = [i for i in range(len(answers)) if i % 3 != 0][:ANSWERS]
    right, wrong, verbatim = [], [], []
    for i in held_out:
        for sentence in answers[i].sentences:
            right.append(is_kept(sentence, answers[i].passage))
            wrong.append(is_kept(sentence, answers[neighbours[i]].passage))
            verbatim.append(sentence in answers[i].passage.text)
    return [
        at_least("wrong citations removed", 1 - float(np.mean(wrong)), 0.90),
        at_most("right citations removed", 1 - float(np.mean(right)), 0.05),
        for_information("answers", len(held_out)),
        for_information("cited sentences", len(right)),
        for_information("of them verbatim in their passage", float(np.mean(verbatim))),
    ]


if __name__ == "__main__":
    print_table(run())
