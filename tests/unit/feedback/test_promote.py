"""Which annotated cases become part of a set."""

from pathlib import Path
from typing import Any

import pytest

from eval.cases import EvaluationCase, parse_cases, read_cases, write_cases
from feedback.promote import add_to_file, plan_promotion
from rag.errors import InvalidInputError
from rag.models.minilm import MiniLMEmbeddings

BACKUPS = {
    "query": "How long are backups kept?",
    "expected_answer": "35 days",
    "ground_truth_docs": ["backups.md"],
}
FROM_FEEDBACK = {"metadata": {"trace_id": "t", "feedback_id": "f"}, "source": "feedback"}


def case(**fields: Any) -> EvaluationCase:
    made = EvaluationCase(**fields)
    return parse_cases(write_cases([made]), "one", place="one").cases[0]


EXISTING = [
    case(**BACKUPS, id="backups"),
    case(
        query="What does a parking space cost?", expected_answer="40 euros", ground_truth_docs=["parking.md"]
    ),
]


def promoted(encoder: MiniLMEmbeddings, *fields: dict[str, Any], accepted: tuple[str, ...] = ()) -> Any:
    annotated = [case(**(FROM_FEEDBACK | one)) for one in fields]
    return plan_promotion(EXISTING, annotated, encoder.encode, accepted=accepted)


def test_a_new_question_with_gold_is_added(encoder: MiniLMEmbeddings) -> None:
    new = {"query": "When is lunch?", "expected_answer": "at noon", "ground_truth_docs": ["lunch.md"]}
    nothing = {"query": "Who is the king of Spain?", "answerable": False}
    plan = promoted(encoder, new, nothing)
    assert [one.query for one in plan.added] == ["When is lunch?", "Who is the king of Spain?"]
    assert (plan.duplicates, plan.refused) == ((), ())


def test_a_case_without_gold_or_origin_is_refused(encoder: MiniLMEmbeddings) -> None:
    plan = promoted(
        encoder,
        {"query": "When is lunch?", "expected_answer": "at noon"},
        {"query": "Where is lunch?", "ground_truth_docs": ["lunch.md"], "metadata": {}},
    )
    assert plan.added == ()
    assert ["gold" in one.reason for one in plan.refused] == [True, False]
    assert "which request" in plan.refused[1].reason


@pytest.mark.parametrize("query", [BACKUPS["query"], "How long are the backups kept?"])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"expected_answer": "90 days"}, "other answers"),
        ({"ground_truth_docs": ["other.md"]}, "other documents"),
        ({"answerable": False, "ground_truth_docs": []}, "there is none"),
    ],
)
def test_a_case_that_contradicts_one_of_the_set_is_refused_with_both(
    encoder: MiniLMEmbeddings, query: str, change: dict[str, Any], reason: str
) -> None:
    plan = promoted(encoder, BACKUPS | {"query": query} | change)
    assert (plan.added, plan.duplicates) == ((), ())
    (refusal,) = plan.refused
    assert reason in refusal.reason
    assert refusal.existing == EXISTING[0]
    accepted = promoted(encoder, BACKUPS | {"query": query} | change, accepted=(refusal.case.id,))
    assert accepted.added == (refusal.case,)


@pytest.mark.parametrize("expected", ["35 days", "for 35 days", None])
def test_what_the_set_has_is_skipped(encoder: MiniLMEmbeddings, expected: str | None) -> None:
    plan = promoted(encoder, BACKUPS | {"expected_answer": expected})
    assert (plan.added, plan.refused) == ((), ())
    assert len(plan.duplicates) == 1


def test_the_new_cases_are_compared_with_each_other(encoder: MiniLMEmbeddings) -> None:
    lunch = {"query": "When is lunch?", "expected_answer": "at noon", "ground_truth_docs": ["lunch.md"]}
    plan = promoted(
        encoder, lunch, lunch | {"id": "again"}, lunch | {"id": "late", "expected_answer": "at one"}
    )
    assert (len(plan.added), len(plan.duplicates), len(plan.refused)) == (1, 1, 1)


def test_the_same_question_under_another_filter_is_another_case(encoder: MiniLMEmbeddings) -> None:
    plan = promoted(encoder, BACKUPS | {"expected_answer": "90 days", "filters": {"language": "de"}})
    assert len(plan.added) == 1


def test_the_id_of_an_existing_case_cannot_be_taken(encoder: MiniLMEmbeddings) -> None:
    taken = {
        "query": "When is lunch?",
        "expected_answer": "at noon",
        "ground_truth_docs": ["l.md"],
        "id": "backups",
    }
    plan = promoted(encoder, taken, accepted=("backups",))
    assert plan.added == ()
    assert plan.refused[0].existing == EXISTING[0]


def test_a_set_grows_by_lines_and_gets_another_version(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_bytes(b'{"query":  "Spaced?", "expected_answer": "yes"}')  # no line end
    before = read_cases(path).version
    grown = add_to_file(path, EXISTING)
    assert path.read_bytes().startswith(b'{"query":  "Spaced?", "expected_answer": "yes"}\n')
    assert [one.query for one in grown.cases] == ["Spaced?", *(one.query for one in EXISTING)]
    assert grown.version == read_cases(path).version != before
    assert add_to_file(tmp_path / "new.jsonl", EXISTING).cases == tuple(EXISTING)


def test_a_set_that_would_be_wrong_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_bytes(write_cases(EXISTING))
    with pytest.raises(InvalidInputError, match="line 3"):
        add_to_file(path, EXISTING[:1])
    assert path.read_bytes() == write_cases(EXISTING)
