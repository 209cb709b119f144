"""Finding the passage that answers a question, without a person.

What a user says that a right answer is (the correction) settles most of it: the passage has to say that, and
to be about the question. How far it is, is the mean of four values, each 0 to 1: the share of the question's
content words that stand, with the title, within a sentence of what the correction says; the answerability
that the extractive answerer gives the passage alone; whether what it would quote of it says the correction;
the cosine of question and passage. Without a correction there is the answerability alone.
"""

from collections.abc import Callable, Iterable, Sequence

from eval.metrics import normalise_answer
from feedback.triage.types import FoundEvidence
from rag.models.answer_selection import AnswerSelector
from rag.ports import Passage
from rag.sentences import sentence_spans
from rag.words import content_words

# Chosen on one half of the articles of SQuAD 2.0's development set; docs/feedback.md has the other half's.
ABOUT = 0.45
ANSWERS = 0.5
SHORT = 4  # words: an answer of so few has to stand in one piece
MOST_OF_IT = 0.8  # share of a longer one's words


class EvidenceFinder:
    """Judges passages.

    Args:
        selector: Tells how likely a passage answers a question.
        cosine: Of a question and a passage's text.
    """

    def __init__(self, selector: AnswerSelector, cosine: Callable[[str, str], float]) -> None:
        self._selector = selector
        self._cosine = cosine

    def find(
        self, question: str, correction: str | None, passages: Iterable[Passage]
    ) -> tuple[FoundEvidence, ...]:
        """Those of the passages that answer the question, the best first; runs a model, so not for a loop.

        Raises:
            ModelError: The model failed.
        """
        judged = (FoundEvidence(one, self._worth(question, correction, one)) for one in passages)
        least = ABOUT if correction else ANSWERS
        found = [evidence for evidence in judged if evidence.worth >= least]
        return tuple(sorted(found, key=lambda evidence: -evidence.worth))

    def answerable(self, question: str, passages: Sequence[Passage]) -> float:
        """The probability that the passages, best first, answer the question."""
        return self._selector.select(question, [_sentences(one.text) for one in passages]).answerable

    def _worth(self, question: str, correction: str | None, passage: Passage) -> float:
        sentences = _sentences(passage.text)
        if correction is None:
            return self._selector.select(question, [sentences]).answerable
        windows = [" ".join(sentences[max(0, at - 1) : at + 2]) for at in range(len(sentences))]
        saying = [
            window
            for sentence, window in zip(sentences, windows, strict=True)
            if holds(sentence, correction) or (len(sentences) > 1 and holds(window, correction))
        ]
        if not saying:
            return 0.0
        about = max(_share(question, f"{passage.title} {window}") for window in saying)
        selection = self._selector.select(question, [sentences])
        quoted = float(holds(" ".join(pick.text for pick in selection.picks), correction))
        cosine = max(0.0, self._cosine(question, passage.text))
        return (about + selection.answerable + quoted + cosine) / 4


def holds(text: str, said: str) -> bool:
    """Whether a text says that: a few words in one piece, or most of many words, as SQuAD normalises them."""
    wanted, words = normalise_answer(said).split(), normalise_answer(text).split()
    if len(wanted) <= SHORT:
        size = len(wanted)
        return bool(size) and any(words[at : at + size] == wanted for at in range(len(words) - size + 1))
    there = set(words)
    return sum(word in there for word in wanted) >= MOST_OF_IT * len(wanted)


def _sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


def _share(question: str, text: str) -> float:
    asked = set(content_words(question))
    return len(asked & set(content_words(text))) / len(asked) if asked else 0.0
