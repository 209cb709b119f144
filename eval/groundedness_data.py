"""Answers whose groundedness is known: judged by people, written to be wrong, or altered by rule.

- BEGIN (Dziri et al., TACL 2022), Wizard of Wikipedia: people's judgments of what chatbots said.
- HaluEval's samples (Li et al., EMNLP 2023): right answers, and wrong ones that ChatGPT wrote. The right ones
  are short, so that length alone tells most of them.
- ClapNQ (Rosenthal et al., TACL 2025): sentences of people's answers from a passage, and the same altered by
  one digit, number, name or "not", or held against similar passages instead.
"""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.groundedness import split_sentences
from eval.groundedness_features import read_words
from rag.models.minilm import MiniLMEmbeddings

_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]{2,}(?: [A-Z][a-z]{2,})*")
_NUMBER = re.compile(r"\b\d+(?:[.,]\d+)*\b")
_DIGIT = re.compile(r"[0-9]")
_VERB = re.compile(r"\b(?:is|are|was|were|can|will|has|have|had|could|may|might|did|does)\b(?! not)")
_FEWEST_WORDS = 4
_NEIGHBOURS = (0, 0, 1, 3)  # similar passages that stand beside the right one, drawn from these
_STRANGERS = (1, 2, 4)  # similar passages that stand in for the right one


class Kind(StrEnum):
    """How an example came to be."""

    JUDGED = "judged"
    RIGHT = "right"
    PASSAGE = "other passages"
    DIGIT = "other digit"
    NUMBER = "number from elsewhere"
    NAME = "other name"
    NEGATED = "negated"


@dataclass(frozen=True, slots=True)
class GroundednessExample:
    """An answer and its sources.

    Attributes:
        grounded: Whether the sources support all of it.
        group: What examples share that must stay on one side of a split.
    """

    answer: str
    sources: tuple[str, ...]
    grounded: bool
    group: str
    kind: Kind = Kind.JUDGED


def load_begin(file: Path) -> list[GroundednessExample]:
    """A file of BEGIN; grounded is what is fully attributable. Responses judged generic are left out."""
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        GroundednessExample(
            row["response"],
            (row["knowledge"],),
            row["begin_label"] == "Fully attributable",
            row["knowledge"],
        )
        for row in rows
        if row["begin_label"] != "Generic"
    ]


def load_halueval(files: Sequence[Path]) -> list[GroundednessExample]:
    """Both answers of each line."""
    records = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [
        GroundednessExample(record[field], (record["knowledge"],), grounded, record["knowledge"])
        for record in records
        for field, grounded in (("right_answer", True), ("hallucinated_answer", False))
    ]


def load_altered(file: Path, encoder: MiniLMEmbeddings, *, seed: int = 0) -> list[GroundednessExample]:
    """ClapNQ's answerable questions, each sentence of an answer as it is and altered; repeatable."""
    records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    passages = [str(record["passages"][0]["text"]) for record in records]
    vectors = encoder.encode(passages)
    nearest = np.argsort(-(vectors @ vectors.T), axis=1, kind="stable")[:, 1:]
    draws = np.random.default_rng(seed)
    return [
        example
        for at, record in enumerate(records)
        for sentence in split_sentences(record["output"][0]["answer"])
        if len(read_words(sentence).keys) >= _FEWEST_WORDS
        for example in _Altering(sentence, at, passages, nearest[at], draws).examples()
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Altering:
    sentence: str
    at: int
    passages: Sequence[str]
    nearest: NDArray[np.intp]
    draws: np.random.Generator

    def examples(self) -> Iterator[GroundednessExample]:
        yield self._example(self.sentence, self._beside(), Kind.RIGHT)
        yield self._example(self.sentence, self._near(_STRANGERS), Kind.PASSAGE)
        altered = (
            (Kind.DIGIT, self._with_other_digit()),
            (Kind.NUMBER, self._with_other(_NUMBER, self.passages[self.at])),
            (Kind.NAME, self._with_other(_NAME, self.passages[self.at])),
            (Kind.NAME, self._with_other(_NAME, self.passages[self.nearest[0]])),
            (Kind.NEGATED, self._negated()),
        )
        for kind, text in altered:
            if text is not None:
                yield self._example(text, self._beside(), kind)

    def _example(self, text: str, sources: Sequence[str], kind: Kind) -> GroundednessExample:
        return GroundednessExample(text, tuple(sources), kind is Kind.RIGHT, str(self.at), kind)

    def _near(self, counts: Sequence[int]) -> list[str]:
        return [self.passages[i] for i in self.nearest[: self.draws.choice(counts)]]

    def _beside(self) -> list[str]:
        """The right passage somewhere among similar ones."""
        near = self._near(_NEIGHBOURS)
        near.insert(int(self.draws.integers(len(near) + 1)), self.passages[self.at])
        return near

    def _with_other_digit(self) -> str | None:
        digits = list(_DIGIT.finditer(self.sentence))
        if not digits:
            return None
        digit = digits[self.draws.integers(len(digits))]
        other = (int(digit.group()) + int(self.draws.integers(1, 10))) % 10
        return f"{self.sentence[: digit.start()]}{other}{self.sentence[digit.end() :]}"

    def _with_other(self, pattern: re.Pattern[str], passage: str) -> str | None:
        """With a name or number in place of another one, which is in the passage and not in the sentence."""
        own = list(pattern.finditer(self.sentence))
        others = [other for other in pattern.findall(passage) if other not in self.sentence]
        if not own or not others:
            return None
        replaced = own[self.draws.integers(len(own))]
        other = others[self.draws.integers(len(others))]
        return f"{self.sentence[: replaced.start()]}{other}{self.sentence[replaced.end() :]}"

    def _negated(self) -> str | None:
        verb = _VERB.search(self.sentence)
        return f"{self.sentence[: verb.end()]} not{self.sentence[verb.end() :]}" if verb else None
