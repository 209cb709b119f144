"""Make a run the baseline: `scripts/update_baseline.py --results FILE --baseline FILE --reason TEXT`.

The baseline file keeps why each run became the baseline. Results below a floor, or that measured too little,
are refused without --force. Exit code 1 if they were refused, 4 for a wrong file or usage.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from eval.baseline import means, read_baseline, replace_baseline, write_baseline
from eval.gate import USAGE_ERROR, Verdict, run_gate
from eval.gate_settings import read_gate_settings, settings_for
from eval.report.results import read_results
from rag.errors import InvalidInputError
from scripts.check_eval_thresholds import Parser, describe

_REFUSED = {Verdict.FAIL, Verdict.INCONCLUSIVE}


def describe_means(before: dict[str, float], after: dict[str, float]) -> str:
    return "\n".join(
        f"{name}: {before[name]:.4f} → {mean:.4f}" if name in before else f"{name}: {mean:.4f}"
        for name, mean in sorted(after.items())
    )


def run(arguments: argparse.Namespace) -> int:
    results = read_results(arguments.results)
    given = arguments.settings
    settings = read_gate_settings(given) if given else settings_for(results.metric_names)
    old = read_baseline(arguments.baseline) if arguments.baseline.exists() else None
    report = run_gate(results, settings=settings)
    refused = report.verdict in _REFUSED
    if refused and not arguments.force:
        print(describe(report))
        print("Not good enough for a baseline. --force sets it anyway.", file=sys.stderr)
        return 1
    baseline = replace_baseline(
        old, results, reason=arguments.reason, now=datetime.now(UTC), below_floor=refused
    )
    write_baseline(baseline, arguments.baseline)
    print(describe_means(means(old.run) if old else {}, means(results)))
    print(f"{results.id} is the baseline now.")
    return 0


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = Parser(description="Make a run the baseline.")
    add = parser.add_argument
    add("--results", type=Path, required=True, metavar="FILE", help="of the run")
    add("--baseline", type=Path, required=True, metavar="FILE", help="written; may be new")
    add("--reason", required=True, metavar="TEXT", help="why; it is kept in the file")
    add("--settings", type=Path, metavar="FILE", help="of the gate, TOML or JSON")
    add("--force", action="store_true", help="even if it is below a floor or measured too little")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    try:
        return run(parse_arguments(given))
    except InvalidInputError as exc:
        print(f"Cannot update: {exc}", file=sys.stderr)
        return USAGE_ERROR


if __name__ == "__main__":
    sys.exit(main())
