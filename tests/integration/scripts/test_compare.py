"""The command that compares two configurations."""

import json
import subprocess
from pathlib import Path

import pytest

from eval.report.results import read_results
from tests.integration.scripts.programs import run_script

PAGES = {"Backups": 35, "Parking": 40, "Lunch": 45}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Documents, questions about them, and configurations."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    cases = []
    for subject, days in PAGES.items():
        name = subject.lower()
        text = f"# {subject}\n\nThe {name} plan is looked at every {days} days by the office.\n"
        (corpus / f"{name}.md").write_text(text)
        query = f"How often is the {name} plan looked at?"
        expected = f"every {days} days"
        cases.append({"query": query, "expected_answer": expected, "ground_truth_docs": [f"{name}.md"]})
    (tmp_path / "set.jsonl").write_text("\n".join(map(json.dumps, cases)))
    (tmp_path / "a.toml").write_text('name = "As it is"\n')
    (tmp_path / "silent.toml").write_text("[settings]\nrelevance_floor = 1.0\n")
    (tmp_path / "chunks.toml").write_text("[settings]\nchunk_tokens = 64\n")
    (tmp_path / "wrong.toml").write_text("[settings]\ntop_k = 0\n")
    return tmp_path


def compare(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_script("compare.py", "--dataset", "set.jsonl", *arguments, folder=folder)


def test_both_answer_the_same_questions_and_differences_have_intervals(folder: Path) -> None:
    found = compare(folder, "--a", "a.toml", "--b", "silent.toml", "--corpus", "corpus", "--output", "out")
    assert found.returncode == 0, found.stderr

    a, b = (read_results(folder / "out" / name) for name in ("a.json", "b.json"))
    assert [case.id for case in a.cases] == [case.id for case in b.cases]
    assert {case.metrics["abstention"] for case in a.cases} == {1.0}
    assert {case.metrics["abstention"] for case in b.cases} == {0.0}  # nothing is relevant enough
    (line,) = (line for line in found.stdout.splitlines() if line.startswith("abstention"))
    assert line.split()[:4] == ["abstention", "1.0000", "0.0000", "-1.0000"]
    assert "As it is" in (folder / "out" / "report.html").read_text()
    assert "silent" in (folder / "out" / "summary.md").read_text()


@pytest.mark.parametrize(
    ("b", "said"),
    [
        ("wrong.toml", "TOP_K must be greater"),
        ("nowhere.toml", "nowhere.toml: No such file"),
        ("a.toml", "both configurations are called As it is"),
        ("chunks.toml", "chunks changes how documents are taken in: that needs --corpus"),
    ],
)
def test_what_cant_be_compared_is_refused(folder: Path, b: str, said: str) -> None:
    found = compare(folder, "--a", "a.toml", "--b", b)
    assert (found.returncode, said in found.stderr) == (4, True), found.stderr
