"""What makes a question fit for an evaluation set, each rule a function of texts or vectors alone."""

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from eval.golden.plain import plain
from eval.golden.types import Draft
from rag.ports import Passage
from rag.sentences import sentence_spans
from rag.words import content_words

ANSWER_SHARE = 0.8  # of the answer's content words that the text must hold
LEAST_RELATED = 0.3  # of the question's content words
MOST_COPIED = 0.6  # of the question's content words that may stand in the text in one run
# A run of so many words may be a name, such as that of a product and a feature of it.
FREE_RUN = 5
QUESTION_SHARE = 0.75  # of the question's content words that another chunk holds if it answers as well
WINDOW = 3  # sentences that say a fact together
LONG_ANSWER = 25  # words; such an answer may stand anywhere in a chunk
DUPLICATE_COSINE = 0.93
_ASKING = frozenset(content_words("happen long soon often many much time use used mean difference"))


class Rejection(StrEnum):
    """Why a question was left out."""

    INVALID = "invalid"  # the model's reply, or a question in it, has not the form asked for
    NO_EVIDENCE = "no_evidence"  # the quoted evidence does not stand in the chunk
    NOT_ANSWERABLE = "not_answerable"  # the chunk does not say the answer
    UNRELATED = "unrelated"  # the question has hardly a word of the chunk
    TRIVIAL = "trivial"  # the question says its answer
    COPIED = "copied"  # the question repeats the chunk's own words
    ANSWERED_ELSEWHERE = "answered_elsewhere"  # another chunk answers as well
    DUPLICATE = "duplicate"  # asked before, in the same words or others


def wording_rejection(draft: Draft, passage: Passage) -> Rejection | None:
    """What is wrong with a question by its words alone; None if nothing."""
    text = passage.text + (f"\n{draft.other.text}" if draft.other else "")
    headings = " ".join((passage.title, *passage.heading_path))
    if not has_evidence(draft, passage):
        return Rejection.NO_EVIDENCE
    if not is_related(draft.question, f"{headings}\n{text}"):
        return Rejection.UNRELATED
    if is_trivial(draft.question, draft.answer):
        return Rejection.TRIVIAL
    return Rejection.COPIED if is_copied(draft.question, text) else None


def has_evidence(draft: Draft, passage: Passage) -> bool:
    """Whether what is quoted stands in the chunks, character by character."""
    if not draft.evidence.strip() or draft.evidence not in passage.text:
        return False
    return draft.other is None or bool(
        draft.other_evidence.strip() and draft.other_evidence in draft.other.text
    )


def says_answer(answer: str, texts: Iterable[str]) -> bool:
    """Whether the texts together hold ANSWER_SHARE of the answer's content words."""
    return _share(content_words(answer), content_words(plain("\n".join(texts)))) >= ANSWER_SHARE


def is_related(question: str, text: str) -> bool:
    """Whether the text holds LEAST_RELATED of the question's content words."""
    return _share(_asked(question), content_words(plain(text))) >= LEAST_RELATED


def is_trivial(question: str, answer: str) -> bool:
    """Whether the answer has no content word that the question lacks."""
    return set(content_words(answer)) <= set(content_words(question))


def is_copied(question: str, text: str) -> bool:
    """Whether more than MOST_COPIED of the question's content words stand in the text in one run."""
    words = content_words(question)
    return longest_run(words, content_words(plain(text))) > max(FREE_RUN, MOST_COPIED * len(words))


def longest_run(words: Sequence[str], text: Sequence[str]) -> int:
    """The longest run of `words` that stands in `text`, in words (longest common substring)."""
    best = 0
    before = [0] * (len(text) + 1)
    for word in words:
        here = [0] * (len(text) + 1)
        for at, other in enumerate(text, start=1):
            if word == other:
                here[at] = before[at - 1] + 1
        best = max(best, *here)
        before = here
    return best


def answers_too(question: str, answer: str, passage: Passage) -> bool:
    """Whether a chunk says the answer where it speaks of what the question asks.

    That is: within WINDOW sentences it holds ANSWER_SHARE of the answer's content words, and they, with the
    chunk's title and headings, QUESTION_SHARE of the question's.
    """
    about = content_words(" ".join((passage.title, *passage.heading_path)))
    return any(
        _share(content_words(answer), said) >= ANSWER_SHARE
        and _share(_asked(question), [*said, *about]) >= QUESTION_SHARE
        for said in _windows(passage.text, whole=len(answer.split()) > LONG_ANSWER)
    )


def holds_evidence(draft: Draft, passage: Passage, other: Passage) -> bool:
    """Whether `other` is one of the draft's own chunks, or overlaps them in the very evidence."""
    own = {passage.chunk_id, *([draft.other.chunk_id] if draft.other else [])}
    is_same_document = other.source_document_id == passage.source_document_id
    return other.chunk_id in own or (is_same_document and draft.evidence in other.text)


def is_duplicate(vector: NDArray[np.float32], kept: Sequence[NDArray[np.float32]]) -> bool:
    """Whether one of the unit vectors `kept` has a cosine of DUPLICATE_COSINE or more with `vector`."""
    return bool(kept) and float(np.max(np.stack(kept) @ vector)) >= DUPLICATE_COSINE


def _asked(question: str) -> list[str]:
    """The question's content words, without those that only ask."""
    words = content_words(question)
    return [word for word in words if word not in _ASKING] or words


def _share(words: Sequence[str], text: Sequence[str]) -> float:
    """Of `words`, with their repetitions, the share that `text` holds; 0 for none."""
    held = frozenset(text)
    counts = Counter(word in held for word in words)
    return counts[True] / len(words) if words else 0.0


def _windows(text: str, *, whole: bool) -> Iterable[list[str]]:
    spans = sentence_spans(text)
    size = len(spans) if whole else min(WINDOW, len(spans))
    for at in range(len(spans) - size + 1 if spans else 0):
        yield content_words(plain(text[spans[at][0] : spans[at + size - 1][1]]))
