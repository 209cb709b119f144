"""Run a stored request again: `scripts/replay.py REQUEST_ID [--config config.toml]`.

Shows stage by stage what differs from what was stored: of the corpus, the search, the order, the prompt's
sources, the prompt, the model, the answer, its citations, abstaining. Nothing is stored. --config names a
configuration as scripts/compare.py has them. Exit code 0 whether or not anything differs, 1 if something
failed, 4 for a request that isn't there or wrong usage.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.evaluation.configuration import EvaluatedConfiguration, read_configuration
from app.services import Services, open_services
from eval.gate import USAGE_ERROR
from feedback.replay import StageChange, compare
from observability.logs import configure_logs
from rag.errors import InvalidInputError
from rag.retrieve import Strategy
from scripts.check_eval_thresholds import Parser
from scripts.commands import exit_code
from scripts.run_evaluation import find_scope


async def replay(
    services: Services, arguments: argparse.Namespace, configuration: EvaluatedConfiguration
) -> tuple[StageChange, ...]:
    """The stages of a request of the tenant's."""
    scope = await find_scope(services, arguments.tenant, arguments.group)
    reader = services.feedback_export.reader
    asked = await reader.of_request(scope.tenant_id, arguments.request_id)
    suppressed = await reader.suppressed(scope.tenant_id)
    strategy = asked.strategy if configuration.strategy is Strategy.AUTO else configuration.strategy
    own = replace(scope, groups=scope.groups or asked.groups)
    rerun = await services.replayer.run(
        asked.query,
        reader.scope_of(own, replace(asked, groups=own.groups)),
        strategy,
        top_k=asked.top_k,
        suppressed=suppressed,
    )
    kept = await reader.chunks(scope, asked.prompt)
    return compare(
        asked,
        {chunk_id: chunk.passage for chunk_id, chunk in kept.items()},
        rerun,
        corpus_version=await reader.corpus_version(scope.tenant_id),
    )


async def run(arguments: argparse.Namespace) -> tuple[StageChange, ...]:
    configuration = EvaluatedConfiguration("today's")
    if arguments.config:
        configuration = read_configuration(arguments.config)
    if configuration.needs_corpus:
        raise InvalidInputError(f"{configuration.name} changes how documents are taken in: see compare.py")
    settings = configuration.settings()
    configure_logs(level="CRITICAL", log_format=settings.log_format)  # the outcome is shown instead
    as_it_is = settings.model_copy(update={"role": "api", "events_queue_url": None})
    async with open_services(as_it_is) as services:
        return await replay(services, arguments, configuration)


def describe(stages: Sequence[StageChange]) -> str:
    """Each stage, and of those that differ what was and what is."""
    lines = []
    for stage in stages:
        lines.append(f"{stage.stage}: {'differs' if stage.differs else 'the same'}")
        if stage.differs:
            lines += [f"  - {line}" for line in stage.stored] + [f"  + {line}" for line in stage.now]
    return "\n".join(lines)


def as_json(stages: Sequence[StageChange]) -> list[dict[str, Any]]:
    return [
        {"stage": stage.stage, "differs": stage.differs, "stored": stage.stored, "now": stage.now}
        for stage in stages
    ]


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = Parser(description="Run a stored request again, and show what differs.")
    add = parser.add_argument
    add("request_id", metavar="REQUEST_ID")
    add("--config", type=Path, metavar="FILE", help="a configuration, TOML; today's unless given")
    add("--tenant", metavar="SLUG", help="whose request; the default tenant's unless given")
    add(
        "--group",
        action="append",
        default=[],
        metavar="GROUP",
        help="in place of the asker's; may be repeated",
    )
    add("--json", action="store_true", help="print the stages as JSON")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    arguments = parse_arguments(given)

    def work() -> int:
        stages = asyncio.run(run(arguments))
        print(json.dumps(as_json(stages), indent=2) if arguments.json else describe(stages))
        return 0

    return exit_code(work, failing_to="replay", usage_error=USAGE_ERROR)


if __name__ == "__main__":
    sys.exit(main())
