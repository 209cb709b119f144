"""All deterministic metrics of one answered case, by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from eval.answer_metrics import (
    Encode,
    answer_recall,
    embedding_relevance,
    exact_match,
    lexical_relevance,
    token_f1,
)
from eval.cases import EvaluationCase
from eval.citation_metrics import (
    citation_precision,
    citation_recall,
    citation_validity,
    gold_citations,
    read_statements,
)
from eval.groundedness import GroundednessScorer
from eval.metrics import gains, graded_ndcg, hit_rate, precision, recall, reciprocal_rank
from rag.cite import MARKERS

DEPTHS = (1, 3, 5, 10)
ANSWER_METRICS = (
    "groundedness",
    "lexical_relevance",
    "embedding_relevance",
    "citation_validity",
    "citation_recall",
    "citation_precision",
)
SUPPORTED = 0.5  # a groundedness score: from here on support is likelier than not


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredCase:
    """What the service made of a case's question.

    Attributes:
        answer: With its markers.
        sources: Texts of the passages that it was written from; `[n]` names the n-th.
        documents: Name of each source's document, as in the case's `ground_truth_docs`.
        retrieved: Names of the documents found, best first.
    """

    answer: str
    abstained: bool
    sources: tuple[str, ...]
    documents: tuple[str, ...]
    retrieved: tuple[str, ...]


class CaseMetrics:
    """Measures cases.

    Args:
        scorer: Tells what supports what.
        encode: Vectors of length 1, such as `MiniLMEmbeddings.encode`.
        depths: Where rankings are cut.
    """

    def __init__(self, scorer: GroundednessScorer, encode: Encode, *, depths: Sequence[int] = DEPTHS) -> None:
        self._scorer = scorer
        self._encode = encode
        self._depths = tuple(depths)

    def measure(self, case: EvaluationCase, answered: AnsweredCase) -> dict[str, float]:
        """Each metric that applies to the case, from 0 to 1; runs the encoder, so not for an event loop.

        Raises:
            InvalidInputError: A text is not valid Unicode.
            ModelError: The encoder failed.
        """
        scores = {
            "abstention": float(answered.abstained != case.answerable),
            "answer_correctness": answer_correctness(case, answered),
        }
        if any(grade > 0 for grade in case.judgments.values()):
            scores |= ranking_metrics(answered.retrieved, case.judgments, self._depths)
        if case.answerable and case.expected_answers:
            answer = "" if answered.abstained else MARKERS.sub("", answered.answer)
            scores["exact_match"] = exact_match(answer, case.expected_answers)
            scores["token_f1"] = token_f1(answer, case.expected_answers)
        return scores if answered.abstained else scores | self._answer_metrics(case.query, answered)

    def applicable(self, case: EvaluationCase) -> tuple[str, ...]:
        """Names of all metrics that an answer to the case would have."""
        gold = next(iter(case.judgments), "")
        named = AnsweredCase(answer="", abstained=True, sources=(), documents=(), retrieved=(gold,))
        known = tuple(self.measure(case, named))
        return known + ANSWER_METRICS if case.answerable else known

    def _answer_metrics(self, question: str, answered: AnsweredCase) -> dict[str, float]:
        @cache
        def supports(statement: str, cited: tuple[str, ...]) -> bool:
            return self._scorer.score(statement, cited).score >= SUPPORTED

        def check(statement: str, cited: Sequence[str]) -> bool:
            return supports(statement, tuple(cited))

        statements, sources = read_statements(answered.answer), answered.sources
        texts = [statement.text for statement in statements]
        measured = {
            "groundedness": self._scorer.score(answered.answer, sources).score,
            "lexical_relevance": lexical_relevance(question, MARKERS.sub("", answered.answer)),
            "embedding_relevance": embedding_relevance(question, texts, self._encode),
            "citation_validity": citation_validity(statements, len(sources)),
            "citation_recall": citation_recall(statements, sources, check),
            "citation_precision": citation_precision(statements, sources, check),
        }
        return {name: value for name, value in measured.items() if value is not None}


def answer_correctness(case: EvaluationCase, answered: AnsweredCase) -> float:
    """How right the answer is, all in all: from 0 to 1, for every case.

    Of a question without an answer, 1 if the service abstained, else 0. Of one with an answer, 0 if it
    abstained, else `answer_recall` times the share of its citations that name a document with the answer,
    each as far as the case tells what is right. So it falls when search, prompt, citations or abstaining get
    worse.
    """
    if answered.abstained or not case.answerable:
        return float(answered.abstained and not case.answerable)
    score = 1.0
    if case.expected_answers:
        score *= answer_recall(MARKERS.sub("", answered.answer), case.expected_answers)
    gold = {name for name, grade in case.judgments.items() if grade > 0}
    if gold:
        score *= gold_citations(read_statements(answered.answer), answered.documents, gold)
    return score


def ranking_metrics(
    retrieved: Sequence[str], judgments: Mapping[str, int], depths: Sequence[int]
) -> dict[str, float]:
    """Of distinct documents, at each depth; the reciprocal rank at the greatest one only."""
    found = gains(retrieved, judgments)
    relevant = sum(grade > 0 for grade in judgments.values())
    scores = {f"mrr@{max(depths)}": reciprocal_rank(found, depth=max(depths))}
    for depth in depths:
        scores[f"hit@{depth}"] = hit_rate(found, depth=depth)
        scores[f"recall@{depth}"] = recall(found, relevant, depth=depth)
        scores[f"precision@{depth}"] = precision(found, depth=depth)
        scores[f"ndcg@{depth}"] = graded_ndcg(found, judgments.values(), depth=depth)
    return scores
