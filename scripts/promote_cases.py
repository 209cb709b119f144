"""Add annotated cases to an evaluation set: `scripts/promote_cases.py annotated_….jsonl --dataset SET.jsonl`.

The set gets a new version; each case says which feedback it comes from. What a set has already is skipped; a
case without gold, or one that contradicts a case of the set, is refused, with both shown. Exit code 1 if
anything was refused (the rest is added all the same), 4 for a wrong file or usage.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from eval.cases import EvaluationCase, read_cases
from eval.gate import USAGE_ERROR
from feedback.promote import Promotion, Refusal, add_to_file, plan_promotion
from rag.errors import InvalidInputError
from rag.models.local import LocalModels
from scripts.check_eval_thresholds import Parser
from scripts.commands import exit_code


def describe(case: EvaluationCase) -> str:
    """What a case says, in a line."""
    answer = " / ".join(case.expected_answers) or ("?" if case.answerable else "no answer")
    documents = ", ".join(case.judgments) or "no documents"
    return f"{case.id}: {case.query} -> {answer} ({documents})"


def describe_refusal(refusal: Refusal) -> str:
    lines = [f"Refused, {refusal.reason}:", f"  new       {describe(refusal.case)}"]
    if refusal.existing:
        lines.append(f"  existing  {describe(refusal.existing)}")
    return "\n".join(lines)


def run(arguments: argparse.Namespace) -> Promotion:
    annotated = read_cases(arguments.file)
    dataset = arguments.dataset
    if not dataset.parent.is_dir():
        raise InvalidInputError(f"{dataset.parent} is no folder")
    existing = read_cases(dataset) if dataset.exists() else None
    cases = existing.cases if existing else ()
    encoder = LocalModels().encoder
    plan = plan_promotion(cases, annotated.cases, encoder.encode, accepted=arguments.accept)
    for refusal in plan.refused:
        print(describe_refusal(refusal), file=sys.stderr)
    before = existing.version if existing else None
    after = add_to_file(dataset, plan.added).version if plan.added and not arguments.dry_run else before
    print(f"{len(plan.added)} added, {len(plan.duplicates)} known, {len(plan.refused)} refused")
    if after != before:
        print(f"{dataset}: version {before or 'none'} -> {after}")
    return plan


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = Parser(description="Add annotated cases to an evaluation set.")
    add = parser.add_argument
    add("file", type=Path, metavar="ANNOTATED", help="of scripts/annotate.py")
    add("--dataset", type=Path, required=True, metavar="FILE", help="the set; may be new")
    accept = "let the case stand beside one with nearly the same question; may be repeated"
    add("--accept", action="append", default=[], metavar="ID", help=accept)
    add("--dry-run", action="store_true", help="show what would be added")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    arguments = parse_arguments(given)
    return exit_code(lambda: int(bool(run(arguments).refused)), failing_to="promote", usage_error=USAGE_ERROR)


if __name__ == "__main__":
    sys.exit(main())
