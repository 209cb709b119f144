import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from feedback.experiments.rows import Row
from scripts import analyze_experiment
from tests.unit.feedback.experiments.made import experiment

ROOT = Path(__file__).parents[4]
NOW = ("--now", "2026-06-01T00:00Z", "--planned-subjects", "4000")


def written(path: Path, rows: Sequence[Row]) -> Path:
    lines = (
        {
            "subject": row.subject,
            "variant": row.variant,
            "exposed_at": row.exposed_at.isoformat(),
            **row.outcomes,
        }
        for row in rows
    )
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def exit_code(*arguments: str | Path) -> int:
    try:
        return analyze_experiment.main([str(argument) for argument in (*arguments, *NOW)])
    except SystemExit as exc:  # of argparse
        return int(exc.code or 0)


@pytest.fixture
def exposures(tmp_path: Path) -> Path:
    return written(
        tmp_path / "e.jsonl", experiment({"control": 0.1, "challenger": 0.16}, cost=[1, 2], answers=[1])
    )


def test_the_command_writes_report_and_json(exposures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, figures = exposures.with_name("r.html"), exposures.with_name("r.json")
    assert exit_code("--input", exposures, "--output", page, "--json", figures) == 0
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert json.loads(figures.read_text(encoding="utf-8"))["promoted"] == "challenger"
    assert capsys.readouterr().out.endswith("Recommendation: promote\n")


@pytest.mark.parametrize(
    ("rates", "options", "code"),
    [
        ({"control": 0.1, "challenger": 0.16}, (), 0),
        ({"control": 0.1, "challenger": 0.16}, ("--direction", "lower"), 1),
        ({"control": 0.1, "challenger": 0.1}, (), 2),
        ({"control": 0.1, "challenger": 0.16}, ("--weight", "control=9", "--weight", "challenger=1"), 3),
    ],
)
def test_the_recommendation_is_the_code_if_asked_for(
    tmp_path: Path, rates: Mapping[str, float], options: Sequence[str], code: int
) -> None:
    path = written(tmp_path / "e.jsonl", experiment(rates))
    assert exit_code("--input", path, "--metric", "converted", *options, "--exit-code") == code
    assert exit_code("--input", path, "--metric", "converted", *options) == 0


def test_metrics_are_chosen(exposures: Path) -> None:
    figures = exposures.with_name("r.json")
    chosen = ("--metric", "cost/answers:lower", "--secondary", "converted", "--guardrail", "cost")
    assert exit_code("--input", exposures, "--json", figures, *chosen) == 0
    challenger = json.loads(figures.read_text(encoding="utf-8"))["challengers"][0]
    assert challenger["primary"]["metric"]["kind"] == "ratio"
    assert challenger["primary"]["metric"]["direction"] == "lower"
    assert challenger["secondary"][0]["metric"]["direction"] == "higher"
    assert challenger["guardrails"][0]["metric"]["direction"] == "lower"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--metric", "clicks"), "no row has clicks"),
        (("--metric", "a/b/c"), "is not COLUMN"),
        (("--control", "old"), "no variant is named 'old'"),
        (("--weight", "control=x"), "invalid weight value"),
        (("--weight", "0.5"), "invalid weight value"),
        (("--weight", "control=-1"), "weight of control is -1"),
        (("--alpha", "0"), "alpha is 0"),
        (("--guardrail", "cost"), "need --metric"),
        (("--now", "2026-01-01"), "invalid time_with_zone value"),
        (("--output", "gone/r.html"), "No such file"),
    ],
)
def test_wrong_usage_exits_with_4(
    exposures: Path, options: Sequence[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    named = [str(exposures.parent / o) if o.endswith(".html") else o for o in options]
    arguments = ["--input", str(exposures), *NOW, *named]
    try:
        code = analyze_experiment.main(arguments)
    except SystemExit as exc:
        code = int(str(exc.code))
    assert code == 4
    assert message in capsys.readouterr().err


def test_it_runs_as_a_program(exposures: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "scripts/analyze_experiment.py", "--input", str(exposures), "--exit-code", *NOW],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
