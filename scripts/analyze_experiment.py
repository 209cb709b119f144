"""Compare the variants of an experiment: `scripts/analyze_experiment.py --experiment KEY [--tenant SLUG]`.

--input reads a file instead of the service's database. Exit code 0 when the analysis is made, whatever it
recommends, and 4 for a wrong file or usage, or a database that can't be reached. With
--exit-code the recommendation is the code: 0 promote, 1 roll back, 2 continue, 3 invalid. docs/experiments.md
describes the input and how to read what comes out.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from eval.report.elements import one_line
from feedback.experiments.analysis import Analysis, Plan, analyse
from feedback.experiments.metrics import Direction, Metric, Role, parse_metric
from feedback.experiments.recommendation import Recommendation
from feedback.experiments.report import html_report
from feedback.experiments.results import to_json
from feedback.experiments.rows import Row, read_rows
from feedback.experiments.stored import StoredExperiment, read_experiment
from rag.errors import GroundworkError, InvalidInputError
from scripts.ingest_commands import services_for

EXIT_CODES = {
    Recommendation.PROMOTE: 0,
    Recommendation.ROLL_BACK: 1,
    Recommendation.CONTINUE: 2,
    Recommendation.INVALID: 3,
}
WRONG_USAGE = 4


class Parser(argparse.ArgumentParser):
    """argparse's own exit code for wrong usage, 2, would be taken for a recommendation."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(WRONG_USAGE, f"{self.prog}: {message}\n")


def describe(analysis: Analysis) -> str:
    lines = [
        f"{challenger.variant}: {challenger.decision.recommendation}: {reason}"
        for challenger in analysis.challengers
        for reason in challenger.decision.reasons
    ]
    counts = ", ".join(f"{name} {count}" for name, count in analysis.sample_ratio.counts.items())
    left_out = f"{analysis.crossed} seen in two variants, {analysis.from_the_future} in the future"
    lines += [f"Subjects: {counts}; left out: {left_out}", f"Recommendation: {analysis.recommendation}"]
    return "\n".join(map(one_line, lines))


def chosen_metrics(arguments: argparse.Namespace) -> list[Metric]:
    """Those that were named; none if no primary one was."""
    if arguments.metric is None:
        return []
    secondary = [parse_metric(spec, Role.SECONDARY, Direction.HIGHER) for spec in arguments.secondary]
    guards = [parse_metric(spec, Role.GUARDRAIL, Direction.LOWER) for spec in arguments.guardrail]
    primary = parse_metric(arguments.metric, Role.PRIMARY, Direction(arguments.direction))
    return [primary, *secondary, *guards]


def weight(text: str) -> tuple[str, float]:
    """A variant with its weight, of `control=0.9`."""
    variant, _, number = text.rpartition("=")
    if not variant:
        raise ValueError(text)
    return variant, float(number)


def time_with_zone(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(text)
    return time.astimezone(UTC)


def plan_of(arguments: argparse.Namespace) -> Plan:
    return Plan(
        control=arguments.control or Plan().control,
        weights=dict(arguments.weight) if arguments.weight else None,
        metrics=chosen_metrics(arguments),
        alpha=arguments.alpha,
        planned_subjects=arguments.planned_subjects,
        minimum_subjects=arguments.minimum_subjects,
        seed=arguments.seed,
        now=arguments.now or datetime.now(UTC),
    )


def write(path: Path | None, text: str) -> None:
    if path is not None:
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as exc:
            raise InvalidInputError(f"{path}: {exc.strerror}") from exc


async def stored(tenant: str, key: str) -> StoredExperiment:
    async with services_for(works=False) as services:
        return await read_experiment(services.database, tenant=tenant, key=key)


def read(arguments: argparse.Namespace) -> tuple[list[Row], Plan]:
    """What is analysed, and how; of a stored experiment, control and weights are known."""
    plan = plan_of(arguments)
    if arguments.input is not None:
        return read_rows(arguments.input), plan
    found = asyncio.run(stored(arguments.tenant, arguments.experiment))
    control, weights = arguments.control or found.control, plan.weights or found.weights
    return found.rows, replace(plan, control=control, weights=weights)


def run(arguments: argparse.Namespace) -> int:
    analysis = analyse(*read(arguments))
    write(arguments.output, html_report(analysis))
    write(arguments.json, to_json(analysis))
    print(describe(analysis))
    return EXIT_CODES[analysis.recommendation] if arguments.exit_code else 0


def add_metric_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    directions = [str(direction) for direction in Direction]
    add("--metric", metavar="M", help="decides: COLUMN, or COLUMN/COLUMN for a ratio of sums (converted)")
    add("--direction", choices=directions, default="higher", help="which --metric is better (higher)")
    add("--secondary", action="append", default=[], metavar="M", help="informs, such as cost_usd:lower")
    add("--guardrail", action="append", default=[], metavar="M", help="must not rise, or with :higher fall")


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    add, plan = parser.add_argument, Plan()
    add("--control", metavar="NAME", help="variant that others are compared with (control, or the first)")
    add("--weight", action="append", type=weight, metavar="VARIANT=W", help="expected split (equal)")
    add("--planned-subjects", type=int, default=plan.planned_subjects, help="of all variants (20000)")
    add("--minimum-subjects", type=int, default=plan.minimum_subjects, help="of an arm (100)")
    add("--alpha", type=float, default=plan.alpha, help="chance of a false promotion (0.05)")
    add("--now", type=time_with_zone, metavar="TIME", help="of the analysis, with a time zone (now)")
    add("--seed", type=int, default=plan.seed, help="of the bootstrap (0)")


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = Parser(description="Compare the variants of an experiment.")
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--experiment", metavar="KEY", help="one that ran in the service")
    source.add_argument("--input", type=Path, metavar="FILE", help=".jsonl or .csv; see docs/experiments.md")
    add("--tenant", default="default", metavar="SLUG", help="whose experiment (default)")
    add("--output", type=Path, metavar="OUT.html", help="write the report")
    add("--json", type=Path, metavar="OUT.json", help="write all figures")
    add("--exit-code", action="store_true", help="0 promote, 1 roll back, 2 continue, 3 invalid")
    add_metric_options(parser)
    add_plan_options(parser)
    arguments = parser.parse_args(given)
    if arguments.metric is None and (arguments.secondary or arguments.guardrail):
        parser.error("--secondary and --guardrail need --metric")
    return arguments


def main(given: Sequence[str] | None = None) -> int:
    try:
        return run(parse_arguments(given))
    except GroundworkError as exc:
        print(f"Cannot analyse: {exc}", file=sys.stderr)
        return WRONG_USAGE


if __name__ == "__main__":
    sys.exit(main())
