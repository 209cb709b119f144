"""How far an answer is supported by what it was written from: 0 to 1, without a judge or a network.

Each sentence of the answer is held against the few sentences of the sources that share most of its words
(`groundedness_features`), and a logistic regression says how likely they support it
(`groundedness_weights`). The answer's score is that of its worst sentence, as one invented sentence makes an
answer wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.groundedness_features import FEATURES, Words, choose_evidence, measure_support, read_words
from eval.groundedness_weights import DEFAULT, GroundednessWeights
from eval.logistic import sigmoid
from rag.cite import MARKERS
from rag.models.answer_question import SentenceEncoder
from rag.sentences import sentence_spans

UNDECIDED = 0.5
"""The score where nothing speaks for or against."""


@dataclass(frozen=True, slots=True)
class SupportedSentence:
    """A sentence of the answer and how likely its sources support it."""

    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Groundedness:
    """How far an answer is supported.

    Attributes:
        score: Of the worst sentence. `UNDECIDED` for an answer that claims nothing by itself, such as "Yes.";
            0 for one without a word, and for any where there are no sources.
        sentences: Those that claim something, in order.
    """

    score: float
    sentences: tuple[SupportedSentence, ...]


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredAnswer:
    """The claims of an answer, and a row of FEATURES for each."""

    claims: tuple[str, ...]
    matrix: NDArray[np.float64]


class GroundednessScorer:
    """Scores answers.

    Args:
        encoder: Token states of texts, such as `MiniLMEmbeddings`.
        weights: Fitted by `python -m eval.fit_groundedness`.
    """

    def __init__(self, encoder: SentenceEncoder, weights: GroundednessWeights = DEFAULT) -> None:
        self._encoder = encoder
        self._weights = weights

    def score(self, answer: str, sources: Sequence[str]) -> Groundedness:
        """Hold an answer against the texts that it was written from; citation markers are left out.

        Raises:
            InvalidInputError: A text is not valid Unicode.
            ModelError: The encoder failed.
        """
        measured = self.measure(answer, sources)
        supported = sigmoid(measured.matrix @ self._weights.slopes + self._weights.bias)
        is_scored = _has_words(answer) and any(map(str.strip, sources))
        scores = (supported * is_scored).tolist()
        sentences = tuple(map(SupportedSentence, measured.claims, scores))
        return Groundedness(min(scores, default=UNDECIDED * is_scored), sentences)

    def measure(self, answer: str, sources: Sequence[str]) -> MeasuredAnswer:
        """What the weights are applied to; raises as `score` does."""
        read = (read_words(text) for text in split_sentences(MARKERS.sub("", answer)))
        claims = [words for words in read if words.is_claim]
        said = [read_words(sentence) for source in sources for sentence in split_sentences(source)]
        evidence = [choose_evidence(claim, said) for claim in claims]
        rows = self._measure_all(claims, evidence)
        return MeasuredAnswer(
            tuple(claim.text for claim in claims), np.array(rows).reshape(-1, len(FEATURES))
        )

    def _measure_all(
        self, claims: Sequence[Words], evidence: Sequence[Sequence[Words]]
    ) -> list[NDArray[np.float64]]:
        texts = list(dict.fromkeys(words.text for group in (claims, *evidence) for words in group))
        states = dict(zip(texts, self._encoder.encode_tokens(texts, background=True), strict=True))
        return [
            measure_support(claim, found, states[claim.text], [states[words.text] for words in found])
            for claim, found in zip(claims, evidence, strict=True)
        ]


def _has_words(answer: str) -> bool:
    return bool(read_words(MARKERS.sub("", answer)).keys)


def split_sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]
