"""What the gate says of each change: `python -m tests.eval.regressions.run [FOLDER] [PART OF A NAME…]`.

Each is made in a copy of the sources, on which the offline evaluation runs in a process of its own; the gate,
its floors and the baseline are those of this tree. Results and reports are kept in the folder.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from eval.baseline import read_baseline
from eval.gate import GateReport, Verdict, run_gate
from eval.gate_settings import read_gate_settings
from eval.report.page import html_report
from eval.report.results import read_results
from tests.eval.regressions.changes import Change, Kind, apply_edits
from tests.eval.regressions.harmful import REGRESSIONS
from tests.eval.regressions.harmless import REFACTORINGS

ROOT = Path(__file__).parents[3]
BASELINE = ROOT / "eval" / "baselines" / "offline.json"
GATE_SETTINGS = BASELINE.with_suffix(".toml")
# All that the evaluation reads, so that nothing of the changed copy is looked up in this tree.
COPIED = ("app", "db", "docs/sample", "eval", "feedback", "graph", "observability", "rag", "scripts")
# As `make eval` has them.
OFFLINE = (
    *("--dataset", "eval/datasets/handbook.jsonl", "--dataset", "eval/datasets/squad2_sample.jsonl"),
    *("--corpus", "docs/sample", "--corpus", "eval/datasets/squad2_sample"),
)
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")  # and no setting of this machine's
LONGEST_S = 900
CHANGES = (*REGRESSIONS, *REFACTORINGS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a change."""

    change: Change
    report: GateReport
    seconds: float

    @property
    def is_as_wanted(self) -> bool:
        """A regression failed; a refactoring passed, be it with a warning, as the workflow counts it."""
        if self.change.kind is Kind.REGRESSION:
            return self.report.verdict is Verdict.FAIL
        return self.report.verdict in {Verdict.PASS, Verdict.WARN}

    @property
    def failed_checks(self) -> list[str]:
        return [check.name for check in self.report.checks if check.verdict is Verdict.FAIL]

    @property
    def primary_change(self) -> float:
        """Of the primary metric's mean."""
        return self.report.changes[0].difference.value

    def describe(self) -> str:
        means = {change.metric: change for change in self.report.changes}
        shown = ("answer_correctness", "abstention", "recall@5", "mrr@10", "groundedness")
        figures = ", ".join(
            f"{name} {means[name].baseline_mean:.3f} → {means[name].candidate_mean:.3f}"
            for name in shown
            if name in means
        )
        why = f" by {', '.join(self.failed_checks)}" if self.failed_checks else ""
        told = f"{self.change.kind}, {self.change.part}: {self.change.name}: {self.report.verdict}{why}"
        return f"{'ok   ' if self.is_as_wanted else 'WRONG'} {told}\n      {figures} ({self.seconds:.0f} s)"


def evaluate_all(changes: Iterable[Change], folder: Path) -> Iterator[Outcome]:
    """One after the other."""
    for change in changes:
        began = time.perf_counter()
        results = measure(change, folder)
        outcome = Outcome(change, judge(results), time.perf_counter() - began)
        results.with_suffix(".html").write_text(html_report(outcome.report), encoding="utf-8")
        yield outcome


def measure(change: Change, folder: Path) -> Path:
    """The results file of the offline evaluation with the change.

    Raises:
        StaleEditError: The change was written for other code.
        RuntimeError: The evaluation broke down, which says nothing about answers.
    """
    output = folder.resolve() / f"{change.slug}.json"
    with tempfile.TemporaryDirectory(prefix="groundwork-change-") as scratch:
        copy = Path(scratch)
        for name in COPIED:
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        apply_edits(change.edits, copy)
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        command = [sys.executable, "scripts/run_evaluation.py", *OFFLINE, "--output", str(output)]
        done = subprocess.run(
            [*command, "--model-version", change.slug],
            cwd=copy,
            env={**inherited, **change.settings, "PYTHONPATH": str(copy), "GIT_REVISION": "changed"},
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"{change.name}: {done.stderr[-2000:]}")
    return output


def judge(results: Path) -> GateReport:
    """As `make eval` does."""
    return run_gate(read_results(results), read_baseline(BASELINE), read_gate_settings(GATE_SETTINGS))


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".data/eval/changes")
    folder.mkdir(parents=True, exist_ok=True)
    named = sys.argv[2:]
    chosen = [change for change in CHANGES if not named or any(part in change.slug for part in named)]
    wrong = 0
    for outcome in evaluate_all(chosen, folder):
        print(outcome.describe(), flush=True)  # noqa: T201 - a command's output
        wrong += not outcome.is_as_wanted
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
