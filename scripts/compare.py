"""Compare two configurations: `scripts/compare.py --a a.toml --b b.toml --dataset SET.jsonl --output FOLDER`.

Asks both the same questions, and prints each metric's means with the interval of their difference. With
--corpus, the documents of a folder are taken in anew for each; without, a tenant's are asked as they are.
Exit code 0 whatever the difference, 1 if something failed, 4 for a wrong file or usage.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from tqdm import tqdm

from app.evaluation.configuration import EvaluatedConfiguration, read_configuration
from app.evaluation.corpus import folder_services
from app.evaluation.evaluator import EvaluationOrder
from app.services import Services, open_services
from eval.baseline import Baseline
from eval.cases import EvaluationSet
from eval.gate import USAGE_ERROR, GateReport, run_gate
from eval.gate_settings import settings_for
from eval.report.markdown import markdown_report
from eval.report.page import html_report
from eval.report.results import CaseResult, RunResults, write_results
from observability.logs import configure_logs
from rag.errors import InvalidInputError
from rag.models.local import LocalModels
from scripts.check_eval_thresholds import Parser, write_report
from scripts.commands import exit_code
from scripts.run_evaluation import add_set_options, find_scope, read_sets

FEWEST_PAIRS = 2  # an experiment shows what it has; the intervals say how little that is


def opened(
    configuration: EvaluatedConfiguration, corpus: Sequence[Path], local: LocalModels
) -> AbstractAsyncContextManager[Services]:
    """The service as configured, over the folders' documents or over those of its database."""
    settings = configuration.settings()
    configure_logs(level="CRITICAL", log_format=settings.log_format)  # the outcome is shown instead
    if corpus:
        return folder_services(corpus, settings, local=local)
    as_it_is = settings.model_copy(update={"role": "api", "events_queue_url": None})
    return open_services(as_it_is, local=local)


async def evaluate(
    configuration: EvaluatedConfiguration,
    dataset: EvaluationSet,
    arguments: argparse.Namespace,
    local: LocalModels,
) -> RunResults:
    async with opened(configuration, arguments.corpus, local) as services:
        order = EvaluationOrder(
            run_id=uuid4(),
            dataset=dataset,
            model_version=configuration.name,
            scope=await find_scope(services, arguments.tenant, arguments.group),
            strategy=configuration.strategy,
            samples=arguments.samples,
            seed=arguments.seed,
            concurrency=arguments.concurrency,
        )
        with tqdm(total=order.size, desc=configuration.name, unit="question", disable=None) as bar:

            async def keep(result: CaseResult) -> None:
                bar.update()

            results = await services.evaluator.evaluate(order, keep=keep)
    return replace(results, id=configuration.name)


async def compare(arguments: argparse.Namespace) -> GateReport:
    """B, judged against A as its baseline."""
    sides = [read_configuration(path) for path in (arguments.a, arguments.b)]
    for side in sides:
        if side.needs_corpus and not arguments.corpus:
            raise InvalidInputError(f"{side.name} changes how documents are taken in: that needs --corpus")
    if sides[0].name == sides[1].name:
        raise InvalidInputError(f"both configurations are called {sides[0].name}")
    dataset = await read_sets(arguments.dataset)
    local = LocalModels()
    a, b = [await evaluate(side, dataset, arguments, local) for side in sides]
    names = {*a.metric_names, *b.metric_names}
    settings = replace(settings_for(names), min_pairs=FEWEST_PAIRS)
    return run_gate(b, Baseline(run=a, history=()), settings, fail_on_regression=False)


def write(report: GateReport, baseline: Baseline, folder: Path) -> None:
    """Both runs and the reports.

    Raises:
        InvalidInputError: They can't be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise InvalidInputError(f"{folder}: {exc.strerror}") from exc
    write_results(baseline.run, folder / "a.json")
    write_results(report.candidate, folder / "b.json")
    write_report(report, folder / "report.html", html_report)
    write_report(report, folder / "summary.md", markdown_report)


def describe(report: GateReport) -> str:
    """A line for each metric: both means, the difference with its interval, and how likely chance is."""
    width = max((len(change.metric) for change in report.changes), default=0)
    primary = report.settings.primary_metric
    lines = [f"{'':{width}}       A       B   B - A, 95 % interval        p"]
    for change in report.changes:
        d, p = change.difference, report.adjusted.get(change.metric, change.p_value)
        mark = " primary" if change.metric == primary else ""
        lines.append(
            f"{change.metric:{width}}  {change.baseline_mean:.4f}  {change.candidate_mean:.4f}  "
            f"{d.value:+.4f} [{d.low:+.4f}, {d.high:+.4f}]  {p:.3g}{mark}"
        )
    return "\n".join([*lines, "p is corrected for the number of metrics (Holm), but not the primary one's."])


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = Parser(description="Compare two configurations on the same questions.")
    add = parser.add_argument
    add("--a", type=Path, required=True, metavar="FILE", help="a configuration, TOML")
    add("--b", type=Path, required=True, metavar="FILE", help="another one")
    add("--output", type=Path, metavar="FOLDER", help="write both runs and the report there")
    add_set_options(parser)
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    arguments = parse_arguments(given)

    def work() -> int:
        report = asyncio.run(compare(arguments))
        if arguments.output and report.baseline:
            write(report, report.baseline, arguments.output)
        print(describe(report))
        return 0

    return exit_code(work, failing_to="compare", usage_error=USAGE_ERROR)


if __name__ == "__main__":
    sys.exit(main())
