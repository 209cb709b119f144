"""The command that annotates, from a file of decisions, from its input, and at a terminal."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from eval.cases import read_cases
from feedback.triage.cases import write_unannotated
from scripts import annotate
from tests.unit.feedback.asked import unannotated

ROOT = Path(__file__).parents[3]
FIRST, SECOND = cases = [
    unannotated("How long are backups kept?", request_id="r-1"),
    unannotated("Who is the king\x1b[2J of Spain?", request_id="r-2"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "unannotated_1.jsonl"
    file.write_bytes(write_unannotated(cases))
    return file


def decisions(path: Path, *rows: dict[str, object]) -> str:
    file = path.with_name("given.jsonl")
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return str(file)


ANSWER: dict[str, object] = {
    "id": "r-1",
    "decision": "answer",
    "expected_answer": "35 days",
    "gold_chunks": [str(UUID(int=1))],
}


def test_decisions_of_a_file_make_cases_and_what_is_left_is_said(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert annotate.main([str(path), "--decisions", decisions(path, ANSWER)]) == 3
    assert "1 decided, 1 left; 1 cases" in capsys.readouterr().out
    rest = decisions(path, {"id": "r-2", "decision": "discard"})
    assert annotate.main([str(path), "--decisions", rest]) == 0
    (case,) = read_cases(path.with_name("annotated_1.jsonl")).cases
    assert (case.expected_answers, list(case.judgments)) == (("35 days",), ["backups.md"])


@pytest.mark.parametrize("row", [{"id": "r-9", "decision": "discard"}, {"id": "r-1", "decision": "answer"}])
def test_a_wrong_decision_ends_with_its_reason(
    path: Path, row: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert annotate.main([str(path), "--decisions", decisions(path, row)]) == 4
    assert "Cannot annotate" in capsys.readouterr().err
    assert not path.with_name("annotated_1.jsonl").exists()


def test_decisions_come_from_the_input_where_there_is_no_terminal(path: Path) -> None:
    done = subprocess.run(
        command(path), input=json.dumps(ANSWER), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3, done.stderr
    assert "1 decided, 1 left" in done.stdout


def test_somebody_at_a_terminal_answers_leaves_and_goes_on(path: Path) -> None:
    shown = at_terminal(path, "a\n35 days\n9\na\n35 days\n1\nq\n")
    assert "How long are backups kept?" in shown
    assert "there is no source 9" in shown  # and asks again
    assert "cited" not in shown
    assert "1 decided, 1 left" in shown
    shown = at_terminal(path, "u\n")
    assert "How long are backups kept?" not in shown
    assert "\x1b[2J" not in shown  # a question doesn't clear the screen
    assert "2 decided, 0 left; 2 cases" in shown
    first, second = read_cases(path.with_name("annotated_1.jsonl")).cases
    assert (first.expected_answers, list(first.judgments)) == (("35 days",), ["backups.md"])
    assert not second.answerable


def command(path: Path) -> list[str]:
    return ["env", f"PYTHONPATH={ROOT}", sys.executable, str(ROOT / "scripts" / "annotate.py"), str(path)]


def at_terminal(path: Path, typed: str) -> str:
    """What a terminal shows while that is typed."""
    keyboard, terminal = pty.openpty()
    try:
        process = subprocess.Popen(command(path), stdin=terminal, stdout=subprocess.PIPE, text=True)
        os.write(keyboard, typed.encode())
        shown, _ = process.communicate(timeout=60)
    finally:
        os.close(keyboard)
        os.close(terminal)
    return shown
