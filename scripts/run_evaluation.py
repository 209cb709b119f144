"""Evaluate: `scripts/run_evaluation.py --dataset SET.jsonl --model-version NAME --output results.json`.

Asks the service the questions of an evaluation set and measures the answers. With --corpus, of the documents
of a folder, in a database of the run's own; without, of a tenant's, where the run is then kept. Exit code 1
if something failed, 4 for a wrong file or usage; whether the answers are good enough is for
check_eval_thresholds.py to say.
"""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from uuid import uuid4

from tqdm import tqdm

from app.evaluation.corpus import folder_services
from app.evaluation.evaluator import EvaluationOrder
from app.evaluation.storage import judge, metrics_of, record
from app.services import Services
from app.settings import Settings
from db.repositories import tenants
from db.repositories.evaluations import NewRun
from eval.cases import EvaluationSet, merge_sets, parse_cases, read_cases
from eval.gate import USAGE_ERROR
from eval.progress import ProgressFile
from eval.report.results import CaseResult, RunResults, write_results
from observability.logs import configure_logs
from rag.artifacts import S3Artifacts
from rag.errors import InvalidInputError
from rag.ports import SearchScope
from scripts.check_eval_thresholds import Parser, add_report_options, write_reports
from scripts.commands import exit_code, positive
from scripts.ingest_commands import services_for

SHOWN_UNKNOWN = 5


async def read_set(place: str) -> EvaluationSet:
    """The set of a file, or of an object of S3."""
    if not place.startswith("s3://"):
        return read_cases(Path(place))
    bucket, _, name = place.removeprefix("s3://").partition("/")
    return parse_cases(await S3Artifacts(bucket).read(name), Path(name).stem, place=place)


async def read_sets(places: Sequence[str]) -> EvaluationSet:
    """All of them as one set."""
    return merge_sets([await read_set(place) for place in places])


def opened(corpus: Sequence[Path], judge: Mapping[str, Any]) -> AbstractAsyncContextManager[Services]:
    """The service over the folders' documents, or else the one that the settings describe."""
    if not corpus:
        return services_for(works=False, **judge)
    settings = Settings().model_copy(update=dict(judge))
    configure_logs(level="CRITICAL", log_format=settings.log_format)  # the outcome is shown instead
    return folder_services(corpus, settings)


def judge_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Those that were given in place of the settings'."""
    named = {name: getattr(arguments, name) for name in vars(arguments) if name.startswith("judge_")}
    return {name: value for name, value in named.items() if value is not None}


async def find_scope(services: Services, slug: str | None, groups: Sequence[str]) -> SearchScope:
    if slug is None:
        return SearchScope(services.default_identity.tenant_id, tuple(groups))
    async with services.database.system() as connection:
        tenant = await tenants.find(connection, slug)
    if tenant is None:
        raise InvalidInputError(f"there is no tenant {slug!r}")
    return SearchScope(tenant.id, tuple(groups))


async def evaluate(arguments: argparse.Namespace, services: Services, dataset: EvaluationSet) -> RunResults:
    """Ask what an earlier run, if there was one, has left."""
    wanted = tuple(arguments.metrics.split(",")) if arguments.metrics else None
    order = EvaluationOrder(
        run_id=uuid4(),
        dataset=dataset,
        model_version=arguments.model_version,
        scope=await find_scope(services, arguments.tenant, arguments.group),
        samples=arguments.samples,
        seed=arguments.seed,
        wanted=wanted,
        judge=await asyncio.to_thread(services.judges.open, wanted),
        concurrency=arguments.concurrency,
    )
    progress = ProgressFile(arguments.output, services.evaluator.identity(order))
    done = progress.start(resume=arguments.resume)
    with tqdm(total=order.size, initial=len(done), unit="question", disable=None) as bar:

        async def keep(result: CaseResult) -> None:
            progress.add(result)
            bar.update()

        results = await services.evaluator.evaluate(order, keep=keep, done=done)
    write_results(results, arguments.output)
    progress.remove()
    return results


async def run(arguments: argparse.Namespace) -> RunResults:
    dataset = await read_sets(arguments.dataset)
    if not arguments.output.parent.is_dir():
        raise InvalidInputError(f"{arguments.output.parent} is no folder")
    async with opened(arguments.corpus, judge_settings(arguments)) as services:
        results = await evaluate(arguments, services, dataset)
        report = judge(results, None)
        if not arguments.corpus:
            scope = await find_scope(services, arguments.tenant, arguments.group)
            new = NewRun(
                created_by=services.default_identity.subject,
                groups=scope.groups,
                dataset_path="+".join(arguments.dataset),
                dataset_sha256=dataset.version,
                model_version=arguments.model_version,
                num_samples=arguments.samples,
                seed=arguments.seed,
            )
            await record(services.database, scope.tenant_id, new, report)
    write_reports(report, arguments)
    return results


def describe(results: RunResults) -> str:
    """The means, what went wrong, and what could not be measured."""
    errors = [case for case in results.cases if case.error]
    reasons = {reason for case in results.cases for reason in case.not_measured.values()}
    lines = [
        f"{name.removesuffix('_mean')}: {mean:.4f}"
        for name, mean in sorted(metrics_of(results).items())
        if name.endswith("_mean")
    ]
    lines += [f"{len(errors)} of {len(results.cases)} questions could not be answered"] if errors else []
    lines += [f"not measured: {reason}" for reason in sorted(reasons)[:SHOWN_UNKNOWN]]
    return "\n".join(lines)


def add_set_options(parser: argparse.ArgumentParser) -> None:
    """Which questions are asked of which documents."""
    add = parser.add_argument
    add(
        "--dataset",
        action="append",
        required=True,
        metavar="FILE",
        help="a set, also s3://bucket/key; may be repeated",
    )
    add(
        "--corpus",
        action="append",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="ask these documents, not those of the database; may be repeated",
    )
    add("--tenant", metavar="SLUG", help="whose documents are asked; the default tenant's unless given")
    add("--group", action="append", default=[], metavar="GROUP", help="opens documents; may be repeated")
    add("--samples", type=positive, metavar="N", help="ask so many of the questions, chosen by --seed")
    add("--seed", type=int, default=0)
    add("--concurrency", type=positive, default=2, metavar="N", help="questions at a time")


def add_judge_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    model = "judges the answers, in place of JUDGE_MODEL"
    add("--judge", dest="judge_model", metavar="MODEL", help=model)
    add("--judge-criteria", type=Path, metavar="FILE", help="further criteria, TOML")
    add("--judge-repetitions", type=positive, metavar="N", help="verdicts each; their median counts")
    add("--judge-max-cost", dest="judge_max_cost_usd", type=float, metavar="USD", help="of the run")
    add("--judge-cache", type=Path, metavar="FOLDER", help="keeps verdicts, which are not asked for twice")


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = Parser(description="Ask the questions of an evaluation set, and measure the answers.")
    add = parser.add_argument
    add("--model-version", default="current", metavar="NAME", help="your name for what is measured")
    add("--output", type=Path, required=True, metavar="FILE", help="of the results, as JSON")
    add("--metrics", metavar="NAME,…", help="keep these; all unless given")
    add("--resume", action="store_true", help="go on with a run that was stopped")
    add_judge_options(parser)
    add_set_options(parser)
    add_report_options(parser)
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    arguments = parse_arguments(given)

    def work() -> int:
        print(describe(asyncio.run(run(arguments))))
        return 0

    return exit_code(work, failing_to="evaluate", usage_error=USAGE_ERROR)


if __name__ == "__main__":
    sys.exit(main())
