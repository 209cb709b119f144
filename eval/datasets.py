"""Question answering data sets of SQuAD's shape, read from disk.

Rajpurkar et al., "Know What You Don't Know: Unanswerable Questions for SQuAD", ACL 2018; XQuAD has the same
shape without `is_impossible`.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def data_folder() -> Path:
    """Where the public data sets lie, which are not part of the project: GROUNDWORK_BENCH_DATA names it."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("GROUNDWORK_BENCH_DATA", default))


@dataclass(frozen=True, slots=True)
class SquadQuestion:
    """A question about a paragraph.

    Attributes:
        paragraph: Index of its gold paragraph in the data set.
        answers: Texts of the gold answers; empty if the paragraph has none.
    """

    id: str
    text: str
    paragraph: int
    answers: tuple[str, ...]

    @property
    def is_answerable(self) -> bool:
        return bool(self.answers)


@dataclass(frozen=True, slots=True)
class SquadParagraph:
    """A paragraph and the article that it stands in."""

    article: str
    text: str


@dataclass(frozen=True, slots=True)
class SquadDataset:
    paragraphs: tuple[SquadParagraph, ...]
    questions: tuple[SquadQuestion, ...]


def load_squad(path: Path) -> SquadDataset:
    """Read a SQuAD 1.1, SQuAD 2.0 or XQuAD file."""
    articles: Sequence[Any] = json.loads(path.read_text(encoding="utf-8"))["data"]
    paragraphs: list[SquadParagraph] = []
    questions: list[SquadQuestion] = []
    for article in articles:
        for paragraph in article["paragraphs"]:
            at = len(paragraphs)
            paragraphs.append(SquadParagraph(str(article["title"]), str(paragraph["context"])))
            questions.extend(_question(item, at) for item in paragraph["qas"])
    return SquadDataset(tuple(paragraphs), tuple(questions))


def _question(item: Any, paragraph: int) -> SquadQuestion:
    answers = () if item.get("is_impossible") else tuple(str(a["text"]) for a in item["answers"])
    return SquadQuestion(str(item["id"]), str(item["question"]).strip(), paragraph, answers)


def split_by_article(dataset: SquadDataset) -> tuple[SquadDataset, SquadDataset]:
    """Two halves that share no article: every other article, in the file's order, to each."""
    articles = list(dict.fromkeys(p.article for p in dataset.paragraphs))
    return _subset(dataset, frozenset(articles[0::2])), _subset(dataset, frozenset(articles[1::2]))


def _subset(dataset: SquadDataset, articles: frozenset[str]) -> SquadDataset:
    kept = [i for i, p in enumerate(dataset.paragraphs) if p.article in articles]
    moved = {old: new for new, old in enumerate(kept)}
    questions = (
        SquadQuestion(q.id, q.text, moved[q.paragraph], q.answers)
        for q in dataset.questions
        if q.paragraph in moved
    )
    return SquadDataset(tuple(dataset.paragraphs[i] for i in kept), tuple(questions))
