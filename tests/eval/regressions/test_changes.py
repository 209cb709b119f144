"""The gate against changes that a pull request may bring: those that make answers worse must fail."""

import ast
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from eval.baseline import read_baseline
from eval.cases import merge_sets, read_cases
from eval.gate import Verdict, run_gate
from eval.gate_settings import read_gate_settings
from tests.eval.regressions.changes import Change, Edit, Kind, StaleEditError, apply_edits
from tests.eval.regressions.harmful import REGRESSIONS
from tests.eval.regressions.harmless import REFACTORINGS
from tests.eval.regressions.run import BASELINE, CHANGES, GATE_SETTINGS, ROOT, Outcome, evaluate_all

PARTS = {"retrieval", "chunking", "filters", "prompt", "citations", "abstaining"}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.slug)
def test_each_change_still_fits_the_code(change: Change, tmp_path: Path) -> None:
    for edit in change.edits:
        target = tmp_path / edit.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copy(ROOT / edit.path, target)
    apply_edits(change.edits, tmp_path)
    for edit in change.edits:
        changed = (tmp_path / edit.path).read_text(encoding="utf-8")
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse((ROOT / edit.path).read_text("utf-8")))
    assert bool(change.edits) != bool(change.settings)


def test_there_are_ten_of_each_kind_for_all_parts_of_an_answer() -> None:
    assert [change.kind for change in CHANGES] == [Kind.REGRESSION] * 10 + [Kind.REFACTORING] * 10
    assert {change.part for change in REGRESSIONS} == PARTS
    assert {change.part for change in REFACTORINGS} > PARTS
    assert len({change.slug for change in CHANGES}) == 20


@pytest.mark.parametrize(("old", "times"), [("gone", 0), ("twice", 2)])
def test_an_edit_of_other_code_is_an_error(tmp_path: Path, old: str, times: int) -> None:
    file = tmp_path / "code.py"
    file.write_text("twice = twice\n", encoding="utf-8")
    with pytest.raises(StaleEditError, match=rf"code\.py has {times} times, not once: '{old}'"):
        apply_edits([Edit("code.py", old, "new")], tmp_path)
    with pytest.raises(StaleEditError, match=r"other\.py has 0 times"):
        apply_edits([Edit("other.py", "old", "new")], tmp_path)
    assert file.read_text(encoding="utf-8") == "twice = twice\n"


def test_the_stored_baseline_is_of_the_shipped_sets_and_good_enough() -> None:
    baseline = read_baseline(BASELINE)
    folder = ROOT / "eval" / "datasets"
    asked = merge_sets([read_cases(folder / f"{name}.jsonl") for name in ("handbook", "squad2_sample")])
    assert baseline.run.dataset.sha256 == asked.version
    assert [case.id for case in baseline.run.cases] == [case.id for case in asked.cases]
    assert not [case.id for case in baseline.run.cases if case.error]
    report = run_gate(baseline.run, baseline, read_gate_settings(GATE_SETTINGS))
    assert report.verdict is Verdict.PASS
    assert {change.difference.value for change in report.changes} == {0.0}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Outcome]:
    return list(evaluate_all(CHANGES, tmp_path_factory.mktemp("changes")))


@pytest.mark.slow
@pytest.mark.timeout(3600)  # twenty evaluations
def test_the_gate_fails_regressions_and_passes_refactorings(outcomes: Sequence[Outcome]) -> None:
    wrong = [outcome.describe() for outcome in outcomes if not outcome.is_as_wanted]
    missed = [outcome for outcome in outcomes if not outcome.is_as_wanted]
    assert [outcome.change for outcome in missed if outcome.change.kind is Kind.REFACTORING] == [], wrong
    assert len(missed) <= 1, wrong
