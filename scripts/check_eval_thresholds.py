"""Judge the results of an evaluation: `scripts/check_eval_thresholds.py --results RESULTS.json`.

Exit code 0 passes, 1 fails, 2 warns (which a workflow may treat as passed), 3 is inconclusive: too little was
measured; 4 a wrong file or usage. docs/evaluation.md says what is checked.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from eval.baseline import read_baseline
from eval.gate import EXIT_CODES, USAGE_ERROR, GateReport, run_gate
from eval.gate_settings import read_gate_settings, settings_for
from eval.report.elements import one_line
from eval.report.junit import junit_report
from eval.report.markdown import markdown_report
from eval.report.page import html_report
from eval.report.results import read_results
from rag.errors import InvalidInputError

Writer = Callable[[GateReport], str]


class Parser(argparse.ArgumentParser):
    """argparse's own exit code for wrong usage, 2, would be taken for a warning."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE_ERROR, f"{self.prog}: {message}\n")


def describe(report: GateReport) -> str:
    width = max(len(check.verdict) for check in report.checks)
    lines = [f"{check.verdict:<{width}}  {check.name}: {one_line(check.detail)}" for check in report.checks]
    return "\n".join([*lines, f"Verdict: {report.verdict}"])


def write_report(report: GateReport, path: Path | None, writer: Writer) -> None:
    """Write a form of the report, if a path is given.

    Raises:
        InvalidInputError: It can't be written there.
    """
    if path is not None:
        try:
            path.write_text(writer(report), encoding="utf-8")
        except OSError as exc:
            raise InvalidInputError(f"{path}: {exc.strerror}") from exc


def write_reports(report: GateReport, arguments: argparse.Namespace) -> None:
    """Write the forms that were asked for."""
    write_report(report, arguments.summary, markdown_report)
    write_report(report, arguments.junit, junit_report)
    write_report(report, arguments.html, html_report)


def add_report_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--summary", type=Path, metavar="OUT.md", help="write a summary for a pull request")
    add("--junit", type=Path, metavar="OUT.xml", help="write the checks as JUnit XML")
    add("--html", type=Path, metavar="OUT.html", help="write the whole report")


def run(arguments: argparse.Namespace) -> int:
    results = read_results(arguments.results)
    given = arguments.settings
    settings = read_gate_settings(given) if given else settings_for(results.metric_names)
    baseline = read_baseline(arguments.baseline) if arguments.baseline else None
    report = run_gate(results, baseline, settings, fail_on_regression=arguments.fail_on_regression)
    print(describe(report))
    write_reports(report, arguments)
    return EXIT_CODES[report.verdict]


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = Parser(description="Judge the results of an evaluation.")
    add = parser.add_argument
    add("--results", type=Path, required=True, metavar="FILE", help="of the run")
    add("--baseline", type=Path, metavar="FILE", help="what to compare it with; see update_baseline.py")
    add("--fail-on-regression", action="store_true", help="a drop of the primary metric fails, not warns")
    add("--settings", type=Path, metavar="FILE", help="of the gate, TOML or JSON")
    add_report_options(parser)
    arguments = parser.parse_args(given)
    if arguments.fail_on_regression and not arguments.baseline:
        parser.error("--fail-on-regression needs --baseline")
    return arguments


def main(given: Sequence[str] | None = None) -> int:
    try:
        return run(parse_arguments(given))
    except InvalidInputError as exc:
        print(f"Cannot judge: {exc}", file=sys.stderr)
        return USAGE_ERROR


if __name__ == "__main__":
    sys.exit(main())
