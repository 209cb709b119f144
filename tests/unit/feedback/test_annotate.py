"""Decisions about cases: kept at once, taken up again, and what comes of them."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest

from eval.cases import read_cases
from feedback.annotate import (
    Annotations,
    Decision,
    annotated_path,
    parse_decisions,
    read_decisions,
    write_annotated,
    write_atomically,
)
from rag.errors import InvalidInputError
from tests.unit.feedback.asked import unannotated

FIRST, SECOND, THIRD = cases = [
    unannotated("How long are backups kept?", request_id="r-1", filters={"language": "en"}),
    unannotated("What does parking cost?", request_id="r-2", feedback_id=None),
    unannotated("Who is the king?", request_id="r-3"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "unannotated_1.jsonl"


def opened(path: Path) -> Annotations:
    annotations = Annotations(path, cases)
    annotations.resume()
    return annotations


def test_what_is_decided_is_there_after_a_stop(path: Path) -> None:
    annotations = opened(path)
    answer = Decision(id=FIRST.id, decision="answer", expected_answer="35 days", gold_chunks=(UUID(int=1),))
    annotations.decide(answer)
    annotations.decide(Decision(id="r-3", decision="discard"))
    again = opened(path)
    assert [case.id for case in again.left] == [SECOND.id]
    assert again.decided == {FIRST.id: answer, THIRD.id: Decision(id=THIRD.id, decision="discard")}
    again.decide(Decision(id="r-3", decision="unanswerable"))  # somebody has thought better of it
    assert opened(path).decided[THIRD.id].decision == "unanswerable"
    assert len(read_decisions(path.with_name(f"{path.name}.decisions"))) == 2


def test_a_case_says_what_was_decided_and_where_it_comes_from(path: Path) -> None:
    annotations = opened(path)
    annotations.decide(
        Decision(
            id="r-1",
            decision="answer",
            expected_answer=("35 days", "five weeks"),
            gold_chunks=(UUID(int=1),),
            gold_docs=("rules.md", "backups.md"),
        )
    )
    annotations.decide(Decision(id="r-2", decision="unanswerable"))
    annotations.decide(Decision(id="r-3", decision="discard"))
    assert annotations.left == []
    output = annotated_path(path)
    assert output.name == "annotated_1.jsonl"
    write_annotated(output, annotations.annotated())
    first, second = read_cases(output).cases
    assert first.expected_answers == ("35 days", "five weeks")
    assert list(first.judgments) == ["backups.md", "rules.md"]
    assert first.filters == {"language": "en"}
    assert first.metadata["feedback_id"] == str(FIRST.metadata.feedback_id)
    assert first.metadata["request_id"] == "r-1"
    assert first.metadata["gold_chunks"] == [str(UUID(int=1))]
    assert (first.source, first.tags) == ("feedback", ["feedback", "ignored_by_model"])
    assert (second.answerable, second.judgments) == (False, {})
    assert second.metadata["feedback_id"] is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "r-1", "decision": "answer"}', "needs an expected_answer"),
        ('{"id": "r-1", "decision": "discard", "gold_docs": ["a"]}', "neither an answer nor documents"),
        ('{"id": "r-1", "decision": "perhaps"}', "decision"),
        ('{"id": "", "decision": "discard"}', "id"),
        ("no JSON", "line 1"),
    ],
)
def test_what_makes_no_decision_is_refused_with_its_line(line: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse_decisions([line], place="decisions")


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        (Decision(id="r-9", decision="discard"), "no case"),
        (Decision(id="r-1", decision="answer", gold_chunks=(uuid4(),)), "none of the sources"),
        (Decision(id="r-1", decision="answer", expected_answer=" "), "expected_answer"),
    ],
)
def test_a_decision_that_does_not_fit_changes_nothing(path: Path, decision: Decision, message: str) -> None:
    annotations = opened(path)
    annotations.decide(Decision(id="r-2", decision="discard"))
    before = path.with_name(f"{path.name}.decisions").read_bytes()
    with pytest.raises(InvalidInputError, match=message):
        annotations.decide(decision)
    assert path.with_name(f"{path.name}.decisions").read_bytes() == before
    assert list(opened(path).decided) == [SECOND.id]


def test_a_request_with_two_cases_needs_the_id_of_one(path: Path) -> None:
    twice = [unannotated(request_id="same"), unannotated(request_id="same")]
    annotations = Annotations(path, twice)
    with pytest.raises(InvalidInputError, match="several cases"):
        annotations.decide(Decision(id="same", decision="discard"))
    annotations.decide(Decision(id=twice[1].id, decision="discard"))
    assert annotations.left == [twice[0]]


def test_a_folder_that_is_not_there_is_said_so_and_nothing_half_written_stays(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="No such file"):
        write_atomically(tmp_path / "gone" / "file", b"data")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InvalidInputError):
        write_atomically(tmp_path / "folder", b"data")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
