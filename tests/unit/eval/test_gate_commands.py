import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from eval.baseline import read_baseline
from eval.report.results import RunResults, write_results
from scripts import check_eval_thresholds, update_baseline
from tests.unit.eval.runs import good_run, make_case, make_run

ROOT = Path(__file__).parents[3]


def check(*arguments: str | Path) -> int:
    """The exit code."""
    return exit_code(check_eval_thresholds.main, *arguments)


def update(results: Path, baseline: Path, *more: str, reason: str = "why") -> int:
    runs = ("--results", str(results), "--baseline", str(baseline))
    return exit_code(update_baseline.main, *runs, "--reason", reason, *more)


def exit_code(main: Callable[[list[str]], int], *arguments: str | Path) -> int:
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as exc:  # of argparse
        return int(exc.code or 0)


def written(path: Path, run: RunResults) -> Path:
    write_results(run, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good run, its baseline, and runs that are worse."""
    folder = tmp_path_factory.mktemp("evaluation")
    good = written(folder / "good.json", good_run())
    written(folder / "worse.json", good_run(faithfulness=[0.3] * 20 + [0.9] * 180))
    written(folder / "bad.json", good_run(faithfulness=[0.5] * 200))
    written(folder / "gaps.json", good_run(faithfulness=[None] * 200))
    written(folder / "other.json", make_run(good_run().cases, sha256="cd" * 32))
    assert update(good, folder / "baseline.json", reason="The first") == 0
    return folder


Printed = pytest.CaptureFixture[str]


def test_a_good_run_passes_and_leaves_its_reports(folder: Path, tmp_path: Path, capsys: Printed) -> None:
    out = {form: tmp_path / f"out.{form}" for form in ("md", "xml", "html")}
    forms = ("--summary", out["md"], "--junit", out["xml"], "--html", out["html"])
    runs = ("--results", folder / "good.json", "--baseline", folder / "baseline.json")
    assert check(*runs, "--fail-on-regression", *forms) == 0
    assert capsys.readouterr().out.endswith("Verdict: pass\n")
    assert out["md"].read_text(encoding="utf-8").startswith("## ✅ Evaluation: pass")
    assert out["xml"].read_text(encoding="utf-8").endswith("</testsuites>\n")
    assert out["html"].read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("results", "more", "code"),
    [
        ("bad.json", [], 1),
        ("gaps.json", [], 3),
        ("worse.json", ["--fail-on-regression"], 1),
        ("worse.json", [], 2),
        ("other.json", [], 4),
        ("gone.json", [], 4),
        ("baseline.json", [], 4),
        ("good.json", ["--settings", "gone.toml"], 4),
        ("good.json", ["--html", "no folder/out.html"], 4),
        ("good.json", ["--unknown"], 4),
    ],
)
def test_each_verdict_has_its_exit_code(
    folder: Path, capsys: Printed, results: str, more: list[str], code: int
) -> None:
    assert check("--results", folder / results, "--baseline", folder / "baseline.json", *more) == code
    assert (code == 4) == bool(capsys.readouterr().err)


def test_the_programs_hand_their_exit_code_to_the_shell() -> None:
    for script in ("check_eval_thresholds.py", "update_baseline.py"):
        command = [sys.executable, str(ROOT / "scripts" / script), "--unknown"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 4
        assert done.stderr.startswith("usage: ")


def test_failing_on_regressions_needs_something_to_compare_with(folder: Path, capsys: Printed) -> None:
    assert check("--results", folder / "good.json", "--fail-on-regression") == 4
    assert "needs --baseline" in capsys.readouterr().err


def test_why_something_was_not_measured_is_printed_on_one_line(tmp_path: Path, capsys: Printed) -> None:
    reason = "no\n::stop-commands::x\x1b[2J"
    case = make_case(0, {"faithfulness": None}, not_measured={"faithfulness": reason})
    assert check("--results", written(tmp_path / "run.json", make_run([case]))) == 3
    assert "most often: no ::stop-commands::x\ufffd[2J\n" in capsys.readouterr().out


def test_settings_of_a_file_hold(folder: Path, tmp_path: Path) -> None:
    strict = tmp_path / "gate.json"
    floors = {"thresholds": {"faithfulness": {"fail": 0.95, "warn": 0.95}}}
    strict.write_text(json.dumps(floors), encoding="utf-8")
    assert check("--results", folder / "good.json", "--settings", strict) == 1


def test_a_baseline_below_a_floor_must_be_forced_and_is_remembered(
    folder: Path, tmp_path: Path, capsys: Printed
) -> None:
    path = tmp_path / "baseline.json"
    before = (folder / "baseline.json").read_bytes()
    path.write_bytes(before)
    for refused in ("bad.json", "gaps.json"):
        assert update(folder / refused, path) == 1
        assert "--force sets it anyway" in capsys.readouterr().err
        assert path.read_bytes() == before
    assert update(folder / "bad.json", path, "--force", reason="A cheaper model") == 0
    assert "faithfulness: 0.9000 → 0.5000" in capsys.readouterr().out
    history = read_baseline(path).history
    assert [(c.reason, c.below_floor) for c in history] == [("The first", False), ("A cheaper model", True)]


@pytest.mark.parametrize(("results", "reason"), [("good.json", "  "), ("gone.json", "why")])
def test_a_wrong_update_changes_nothing(
    folder: Path, tmp_path: Path, capsys: Printed, results: str, reason: str
) -> None:
    assert update(folder / results, tmp_path / "baseline.json", reason=reason) == 4
    assert "Cannot update: " in capsys.readouterr().err
    assert not (tmp_path / "baseline.json").exists()


def test_a_broken_baseline_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text("{", encoding="utf-8")
    assert update(folder / "good.json", path) == 4
    assert path.read_text(encoding="utf-8") == "{"
