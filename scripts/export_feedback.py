"""Export what went wrong as cases to annotate: `scripts/export_feedback.py [--tenant SLUG] [--group GROUP]`.

Writes `eval-datasets/<tenant id>/feedback-derived/unannotated_<time>.jsonl` to the artifacts, and says where
that is. The service does the same every night. What was answered from documents with an access list is left
out unless their --group is given. Exit code 0 also if there was too little to export, 1 if something failed,
4 for wrong usage.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import timedelta

from eval.gate import USAGE_ERROR
from feedback.triage.export import ExportLimits, ExportOutcome
from rag.errors import InvalidInputError
from scripts.check_eval_thresholds import Parser
from scripts.commands import exit_code, positive
from scripts.ingest_commands import services_for
from scripts.run_evaluation import find_scope


def changed(limits: ExportLimits, arguments: argparse.Namespace) -> ExportLimits:
    """The settings' limits with what was given in their place."""
    given = {name: getattr(arguments, name) for name in ("fewest", "most", "seed")}
    given["within"] = timedelta(days=arguments.days) if arguments.days else None
    limits = replace(limits, **{name: value for name, value in given.items() if value is not None})
    if limits.fewest > limits.most:
        raise InvalidInputError(f"--min {limits.fewest} is more than --max {limits.most}")
    return limits


async def run(arguments: argparse.Namespace) -> ExportOutcome:
    async with services_for(works=False) as services:
        scope = await find_scope(services, arguments.tenant, arguments.group)
        exporter = services.feedback_export
        return await exporter.export(scope, changed(exporter.limits, arguments))


def describe(outcome: ExportOutcome) -> str:
    """Where the cases are, or why there are none."""
    lines = []
    if outcome.exported_before:
        lines.append(f"{outcome.exported_before} requests were exported before")
    if outcome.closed:
        lines.append(f"{outcome.closed} requests were answered from documents that need a --group")
    if outcome.skipped:
        return "\n".join([*lines, f"Skipped: {outcome.skipped}"])
    lines += [f"{name}: {count}" for name, count in sorted(outcome.diagnoses.items())]
    return "\n".join([*lines, f"{outcome.cases} cases of {outcome.selected} requests: {outcome.uri}"])


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = Parser(description="Export what went wrong as cases to annotate.")
    add = parser.add_argument
    add("--tenant", metavar="SLUG", help="whose; the default tenant's unless given")
    add("--group", action="append", default=[], metavar="GROUP", help="opens documents; may be repeated")
    add("--days", type=positive, metavar="N", help="how far back, in place of FEEDBACK_EXPORT_DAYS")
    add("--min", dest="fewest", type=positive, metavar="N", help="in place of FEEDBACK_EXPORT_MIN")
    add("--max", dest="most", type=positive, metavar="N", help="in place of FEEDBACK_EXPORT_MAX")
    add("--seed", type=int, default=0, help="of the choice")
    add("--json", action="store_true", help="print the outcome as JSON")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    arguments = parse_arguments(given)

    def work() -> int:
        outcome = asyncio.run(run(arguments))
        print(json.dumps(asdict(outcome)) if arguments.json else describe(outcome))
        return 0

    return exit_code(work, failing_to="export", usage_error=USAGE_ERROR)


if __name__ == "__main__":
    sys.exit(main())
