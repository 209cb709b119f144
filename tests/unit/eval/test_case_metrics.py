import pytest

from eval.case_metrics import AnsweredCase, CaseMetrics
from eval.cases import EvaluationCase
from eval.groundedness import GroundednessScorer
from rag.models.minilm import MiniLMEmbeddings

BACKUPS = "Backups are kept for 35 days and are encrypted."
CASE = EvaluationCase(
    id="backups", query="How long are backups kept?", expected_answer="35 days", ground_truth_docs=["b.md"]
)
UNANSWERABLE = EvaluationCase(id="dogs", query="May I bring my dog?", answerable=False)
ANSWER_METRICS = {
    "groundedness",
    "lexical_relevance",
    "embedding_relevance",
    "citation_validity",
    "citation_recall",
    "citation_precision",
}


@pytest.fixture(scope="module")
def metrics() -> CaseMetrics:
    encoder = MiniLMEmbeddings.load(threads=1)
    return CaseMetrics(GroundednessScorer(encoder), encoder.encode, depths=(1, 2))


def answered(answer: str, *, abstained: bool = False) -> AnsweredCase:
    return AnsweredCase(
        answer=answer,
        abstained=abstained,
        sources=("Dogs are animals.", BACKUPS),
        documents=("a.md", "b.md"),
        retrieved=("a.md", "b.md"),
    )


def test_a_right_answer_scores_well(metrics: CaseMetrics) -> None:
    scores = metrics.measure(CASE, answered("Backups are kept for 35 days [2]."))

    assert scores["abstention"] == 1.0
    assert scores["token_f1"] == pytest.approx(2 * (2 / 6) * 1 / (2 / 6 + 1))
    assert scores["exact_match"] == 0.0
    assert scores["groundedness"] > 0.7
    assert scores["citation_validity"] == scores["citation_recall"] == scores["citation_precision"] == 1.0
    assert scores["embedding_relevance"] > 0.7
    assert scores["lexical_relevance"] == 2 / 3
    assert all(0 <= value <= 1 for value in scores.values())


def test_ranks_are_of_documents(metrics: CaseMetrics) -> None:
    scores = metrics.measure(CASE, answered("35 days"))
    ranking = {name: value for name, value in scores.items() if "@" in name}
    assert ranking == {
        "mrr@2": 1 / 2,
        "hit@1": 0.0,
        "hit@2": 1.0,
        "recall@1": 0.0,
        "recall@2": 1.0,
        "precision@1": 0.0,
        "precision@2": 1 / 2,
        "ndcg@1": 0.0,
        "ndcg@2": pytest.approx(0.6309297535714575),  # 1 / log2(3)
    }
    assert scores["exact_match"] == 1.0


def test_a_wrong_citation_is_told(metrics: CaseMetrics) -> None:
    scores = metrics.measure(CASE, answered("Backups are kept for 35 days [1][7]."))
    assert scores["citation_validity"] == 1 / 2
    assert scores["citation_recall"] == scores["citation_precision"] == 0.0


def test_abstaining_from_a_question_with_an_answer_is_wrong(metrics: CaseMetrics) -> None:
    scores = metrics.measure(CASE, answered("I don't know: 35 days", abstained=True))
    assert scores["abstention"] == scores["token_f1"] == scores["exact_match"] == 0.0
    assert not ANSWER_METRICS & scores.keys()
    assert scores["hit@2"] == 1.0


def test_abstaining_where_there_is_no_answer_is_right(metrics: CaseMetrics) -> None:
    scores = metrics.measure(UNANSWERABLE, answered("I don't know.", abstained=True))
    assert scores == {"abstention": 1.0, "answer_correctness": 1.0}


def test_an_answer_where_there_is_none_is_measured_for_what_it_is(metrics: CaseMetrics) -> None:
    scores = metrics.measure(UNANSWERABLE, answered("Dogs are animals."))
    uncited = {"citation_validity", "citation_precision"}
    assert scores.keys() == {"abstention", "answer_correctness"} | ANSWER_METRICS - uncited
    assert scores["abstention"] == scores["answer_correctness"] == 0.0


@pytest.mark.parametrize(
    ("answer", "correctness"),
    [
        ("Backups are kept for 35 days [2].", 1.0),
        ("Backups are kept for 35 hours [2].", 1 / 2),  # one of the two expected words
        ("Backups are kept for 35 days [1].", 0.0),  # of a document that doesn't say so
        ("Backups are kept for 35 days [1][2].", 1 / 2),
        ("Backups are kept for 35 days.", 0.0),  # an answer without a citation is none
        ("Backups are kept for 35 days [9].", 0.0),
    ],
)
def test_a_correct_answer_says_what_is_expected_and_cites_where_it_stands(
    metrics: CaseMetrics, answer: str, correctness: float
) -> None:
    assert metrics.measure(CASE, answered(answer))["answer_correctness"] == correctness


def test_what_would_apply_is_known_without_an_answer(metrics: CaseMetrics) -> None:
    cited = metrics.measure(CASE, answered("Backups are kept for 35 days [2]."))
    assert set(metrics.applicable(CASE)) == set(cited)
    assert set(metrics.applicable(UNANSWERABLE)) == {"abstention", "answer_correctness"}
