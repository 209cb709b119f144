"""The command that adds annotated cases to a set."""

from pathlib import Path

import pytest

from eval.cases import EvaluationCase, read_cases, write_cases
from scripts import promote_cases


def case(query: str, answer: str | None, *documents: str, **fields: object) -> EvaluationCase:
    return EvaluationCase(
        query=query,
        expected_answer=answer,
        ground_truth_docs=list(documents),
        metadata={"trace_id": "t", "feedback_id": "f-1"},
        **fields,
    )


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    path = tmp_path / "set.jsonl"
    path.write_bytes(write_cases([case("How long are backups kept?", "35 days", "backups.md")]))
    return path


def annotated(dataset: Path, *cases: EvaluationCase) -> str:
    path = dataset.with_name("annotated_1.jsonl")
    path.write_bytes(write_cases(cases))
    return str(path)


def test_new_cases_make_a_new_version_with_their_origin(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_cases(dataset).version
    given = annotated(
        dataset,
        case("How long are backups kept?", "for 35 days", "backups.md"),
        case("What does a parking space cost?", "40 euros", "parking.md"),
    )
    assert promote_cases.main([given, "--dataset", str(dataset), "--dry-run"]) == 0
    assert read_cases(dataset).version == before
    assert promote_cases.main([given, "--dataset", str(dataset)]) == 0
    after = read_cases(dataset)
    assert [one.query for one in after.cases][1:] == ["What does a parking space cost?"]
    assert after.cases[1].metadata["feedback_id"] == "f-1"
    said = capsys.readouterr().out
    assert "1 added, 1 known, 0 refused" in said
    assert f"{before} -> {after.version}" in said


def test_what_is_refused_is_shown_beside_what_it_contradicts_and_the_rest_is_added(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = annotated(
        dataset,
        case("How long are the backups kept?", "90 days", "backups.md"),
        case("When is lunch?", "at noon"),
        case("What does a parking space cost?", "40 euros", "parking.md"),
    )
    assert promote_cases.main([given, "--dataset", str(dataset)]) == 1
    shown = capsys.readouterr()
    assert "1 added, 0 known, 2 refused" in shown.out
    assert "they expect other answers" in shown.err
    assert "How long are the backups kept? -> 90 days (backups.md)" in shown.err
    assert "How long are backups kept? -> 35 days (backups.md)" in shown.err
    assert "it has no gold" in shown.err
    assert len(read_cases(dataset).cases) == 2


def test_a_wrong_file_is_said_to_be(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(dataset.with_name("none.jsonl"))
    assert promote_cases.main([missing, "--dataset", str(dataset)]) == 4
    given = annotated(dataset, case("When is lunch?", "at noon", "lunch.md"))
    assert promote_cases.main([given, "--dataset", str(dataset.parent / "none" / "set.jsonl")]) == 4
    assert capsys.readouterr().err.count("Cannot promote") == 2
