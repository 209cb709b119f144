"""Whether a chunk answers a question, by the models that ship with the service."""

from eval.golden.filters import says_answer
from eval.golden.plain import plain
from eval.golden.types import Draft
from eval.groundedness import GroundednessScorer
from rag.models.answer_question import SentenceEncoder
from rag.models.answer_selection import AnswerSelector
from rag.models.answer_weights import DEFAULT
from rag.ports import Passage
from rag.sentences import sentence_spans

LEAST_GROUNDED = 0.5  # of an answer in words of its own


class AnswerabilityCheck:
    """Reads the chunk for the answer, as `local:extractive` would.

    Args:
        encoder: Token states of texts, such as `MiniLMEmbeddings`.
    """

    def __init__(self, encoder: SentenceEncoder) -> None:
        self._selector = AnswerSelector(encoder)
        self._scorer = GroundednessScorer(encoder)

    def is_answered(self, draft: Draft, passage: Passage) -> bool:
        """Whether the chunk says the answer, and the sentence that answers best is of the evidence.

        Raises:
            InvalidInputError: A text is not valid Unicode.
            ModelError: The encoder failed.
        """
        texts = [passage.text, *([draft.other.text] if draft.other else [])]
        return self._is_said(draft.answer, texts) and self._is_picked(draft, texts)

    def _is_said(self, answer: str, texts: list[str]) -> bool:
        if any(answer.strip(" .") in plain(text) for text in texts):
            return True
        if says_answer(answer, texts):
            return True
        return self._scorer.score(answer, texts).score >= LEAST_GROUNDED

    def _is_picked(self, draft: Draft, texts: list[str]) -> bool:
        """Whether the sentence that answers best is of the evidence."""
        sources = [[text[start:end] for start, end in sentence_spans(text)] for text in texts]
        reading = self._selector.read(draft.question, sources)
        if reading is None:
            return False
        best = reading.sentences[int(reading.shares(DEFAULT.sentence).argmax())]
        evidence = (draft.evidence, draft.other_evidence)[best.source]
        return best.text in evidence or evidence.strip() in best.text
