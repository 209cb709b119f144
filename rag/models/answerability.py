"""What speaks for and against an answer being there at all.

The hard case are questions that fit the text but for one twist: another name, another year, a negation
(Rajpurkar et al., "Know What You Don't Know", ACL 2018). So besides how well the best sentence matches, count
what the question says and the sentence lacks.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rag.models.answer_features import FEATURES, Evidence
from rag.models.answer_question import Question, Sentence
from rag.models.answer_text import Expects, contradicts, is_negated

SIGNALS = (
    "sentence_cosine",  # these two of the best sentence, as in FEATURES
    "similarity_with_previous",
    "margin",  # the best sentence's share
    "weakest_term",  # worst match of a question term, softened for terms that tell little
    "missing_names",  # names that the best sentence's source lacks
    "missing_numbers",  # numbers that the best sentence lacks
    "negation",  # the question is negated and the best sentence is not
    "opposite",  # the best sentence has the opposite of a word of the question
    "wrong_kind",  # no new number, time or name where the question asks for one
)  # fmt: skip
"""Entries of the row that the answerability is a logistic function of."""

_KIND_COLUMN = {
    Expects.NUMBER: "has_number",
    Expects.TIME: "has_time",
    Expects.PERSON: "has_name",
    Expects.PLACE: "has_name",
}


def signals(
    question: Question, sentences: Sequence[Sentence], evidence: Evidence, shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """One row, in the order of SIGNALS. `shares` are the sentences' shares, sum 1."""
    best = int(shares.argmax())
    text = sentences[best].text
    row = dict(zip(FEATURES, (float(x) for x in evidence.matrix[best]), strict=True))
    kind = _KIND_COLUMN.get(question.expects)
    source = [i for i, s in enumerate(sentences) if s.source == sentences[best].source]
    values = {
        **row,
        "margin": float(shares[best]),
        **_missing(question, evidence, best, source),
        "negation": float(is_negated(question.text) and not is_negated(text)),
        "opposite": float(contradicts(question.text, text)),
        "wrong_kind": float(kind is not None and row[kind] == 0),
    }
    return np.array([values[name] for name in SIGNALS])


def _missing(question: Question, evidence: Evidence, best: int, source: Sequence[int]) -> dict[str, float]:
    """What the question says and the best sentence, or all its source, lacks."""
    if not question.stems:  # nothing that could be found: as bad as everything missing
        return {"weakest_term": 0.0, "missing_names": 0.0, "missing_numbers": 0.0}
    weights = question.weights
    lacking = 1 - evidence.found[best]
    source_lacks = 1 - evidence.found[list(source)].max(0)
    is_number = np.array([s[0].isdigit() for s in question.stems])
    return {
        "weakest_term": float((1 - (1 - evidence.term_match[best]) * weights).min()),
        "missing_names": float(source_lacks[(question.is_name > 0) & ~is_number].sum()),
        "missing_numbers": float(lacking[is_number].sum()),
    }
