"""Make an evaluation set from a tenant's documents: `scripts/generate_golden_dataset.py --output set.jsonl`.

Questions are written by a chat model (--model provider:model) or, without one, by templates for English
sentences; what isn't fit for a set is left out, and the counts say why. What is done stands in
`<output>.partial` until the set is whole; --resume goes on from there. Exit code 1 if a model or the database
failed, or no question was fit; 2 for wrong usage, or an output that is there already or can't be written.
"""

import argparse
import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from tqdm import tqdm

from app.model_options import model_options
from app.privacy.sealed import key_versions, unsealed_row
from app.services import Services, open_services
from app.settings import Settings
from db.repositories import golden_set, tenants
from db.repositories.golden_set import ChunkPlace, StoredChunk
from eval.cases import EvaluationCase, write_cases
from eval.golden.answerability import AnswerabilityCheck
from eval.golden.filters import Rejection
from eval.golden.generate import KEPT, WRITTEN, Generator, Tools
from eval.golden.progress import Done, Progress
from eval.golden.prompt import ModelWriter
from eval.golden.sample import fingerprint, sample_chunks
from eval.golden.templates import TemplateWriter
from eval.golden.traffic import AnsweredQuestion, cases_of
from eval.golden.types import Intent, QuestionWriter
from observability.logs import configure_logs
from rag.errors import InvalidInputError, NotFoundError
from rag.models.local import LOCAL_CHAT, LocalModels
from rag.models.registry import Models
from rag.ports import Passage, SearchScope
from rag.privacy import LocalDetector
from scripts.commands import exit_code, positive

TEMPLATE = "template"
MAX_DAYS = 3650


@dataclass(frozen=True, slots=True)
class Corpus:
    """One tenant's documents, as far as the groups may read them."""

    services: Services
    scope: SearchScope

    async def places(self) -> list[ChunkPlace]:
        async with self.services.database.tenant(self.scope.tenant_id) as connection:
            return await golden_set.places(connection, self.scope)

    async def read(self, place: ChunkPlace) -> StoredChunk | None:
        async with self.services.database.tenant(self.scope.tenant_id) as connection:
            return await golden_set.chunk(connection, self.scope, place.chunk_id)

    async def find(self, question: str, limit: int) -> list[Passage]:
        found = await self.services.spaces.retrieve(question, self.scope, top_k=limit, exact=True)
        return [each.passage for each in found.passages]

    async def asked(self, days: int) -> list[EvaluationCase]:
        """Cases from what was asked in these days; none while no text is stored."""
        tenant_id = self.scope.tenant_id
        async with self.services.database.tenant(tenant_id) as connection:
            rows = await golden_set.answered(connection, tenant_id, within=timedelta(days=days))
        ring = await self.services.privacy.keys.ring(tenant_id, reading=key_versions("traces", rows))
        questions = [_answered_question(unsealed_row(ring, "traces", row)) for row in rows]
        cited = [chunk_id for question in questions for chunk_id in question.cited]
        async with self.services.database.tenant(tenant_id) as connection:
            sources = await golden_set.sources_of(connection, self.scope, cited)
        return await asyncio.to_thread(cases_of, questions, sources, LocalDetector())


def _answered_question(row: dict[str, Any]) -> AnsweredQuestion:
    cited = tuple(UUID(citation["chunk_id"]) for citation in row["citations"])
    return AnsweredQuestion(row["id"], row["query"], cited)


@asynccontextmanager
async def open_writer(name: str, settings: Settings, local: LocalModels) -> AsyncIterator[QuestionWriter]:
    """The writer of that name.

    Raises:
        InvalidInputError: There is no such model, or it can't write questions.
    """
    if name == TEMPLATE:
        yield TemplateWriter()
        return
    if name == LOCAL_CHAT:
        raise InvalidInputError(f"{LOCAL_CHAT} only quotes: take --model {TEMPLATE}, or a model that writes")
    models = Models(model_options(settings), local)
    try:
        chosen = await asyncio.to_thread(models.chat_models, name)
        if len(chosen) > 1:
            raise InvalidInputError("--model takes one model: a set says which one wrote it")
        yield ModelWriter(chosen[0].name, chosen[0].model)
    finally:
        await models.close()


async def find_scope(services: Services, slug: str, groups: Sequence[str]) -> SearchScope:
    async with services.database.system() as connection:
        tenant = await tenants.find(connection, slug)
    if tenant is None:
        raise NotFoundError(f"there is no tenant {slug!r}")
    return SearchScope(tenant.id, tuple(groups))


def open_progress(arguments: argparse.Namespace, begun_with: dict[str, Any]) -> Progress:
    path = partial_path(arguments.output)
    if arguments.resume and path.exists():
        return Progress.resume(path, begun_with)
    return Progress.start(path, begun_with)


def partial_path(output: Path) -> Path:
    return output.with_name(f"{output.name}.partial")


def check_output(arguments: argparse.Namespace) -> None:
    """Refuse to overwrite, before anything is started.

    Raises:
        InvalidInputError: The set or what was done of it is there already, or its folder can't be written.
    """
    output: Path = arguments.output
    if output.exists() and not arguments.force:
        raise InvalidInputError(f"{output} is there already; --force replaces it")
    if partial_path(output).exists() and not (arguments.resume or arguments.force):
        raise InvalidInputError(
            f"{partial_path(output)} is there: --resume goes on with it, --force starts anew"
        )
    if output.is_dir() or not output.parent.is_dir() or not os.access(output.parent, os.W_OK):
        raise InvalidInputError(f"{output} can't be written")


def write_set(cases: Sequence[EvaluationCase], output: Path) -> None:
    """Write the file so that a reader sees the old one or the new, and forget what was done of it."""
    unfinished = output.with_name(f".{output.name}.unfinished")
    try:
        unfinished.write_bytes(write_cases(cases))
        unfinished.replace(output)
        partial_path(output).unlink()
    except OSError as exc:
        raise InvalidInputError(f"{output}: {exc.strerror}") from exc


async def generate(
    services: Services, writer: QuestionWriter, check: AnswerabilityCheck, arguments: argparse.Namespace
) -> list[Done]:
    """What became of each chunk."""
    corpus = Corpus(services, await find_scope(services, arguments.tenant, arguments.group))
    places = await corpus.places()
    if not places:
        raise NotFoundError(f"the tenant {arguments.tenant!r} has no documents to ask about")
    progress = open_progress(arguments, _begun_with(arguments, writer, places))
    tools = Tools(writer, check, corpus.find, corpus.read, services.spaces.current.model.embeddings)
    traffic = await corpus.asked(arguments.from_traffic) if arguments.from_traffic else []
    chosen = sample_chunks(places, seed=arguments.seed, per_document=arguments.per_document)
    steps = Generator(tools, arguments.intents, seed=arguments.seed).generate(
        chosen, progress, samples=arguments.samples, traffic=traffic
    )
    done = []
    with tqdm(total=arguments.samples, unit="case", file=sys.stderr, disable=None) as shown:
        async for each in steps:
            done.append(each)
            shown.update(len(each.cases))
    return done


def _begun_with(
    arguments: argparse.Namespace, writer: QuestionWriter, places: Sequence[ChunkPlace]
) -> dict[str, Any]:
    """What must be the same for a broken run to go on."""
    return {
        "tenant": arguments.tenant,
        "groups": sorted(arguments.group),
        "samples": arguments.samples,
        "per_document": arguments.per_document,
        "intents": list(arguments.intents),
        "seed": arguments.seed,
        "from_traffic": arguments.from_traffic,
        "model": writer.name,
        "prompt_version": writer.version,
        "documents": fingerprint(places),
    }


def describe(done: Sequence[Done], cases: Sequence[EvaluationCase]) -> str:
    """How many questions there were, and why some were left out."""
    counts = Counter[str]()
    for each in done:
        counts.update(each.counts)
    tags = Counter(tag for case in cases for tag in case.tags)
    documents = {name for case in cases for name in case.judgments}
    rejected = [f"  {reason:<20}{counts[reason]}" for reason in Rejection]
    return "\n".join(
        [
            f"{counts[WRITTEN]} questions from {len(done)} chunks, of which were left out",
            *rejected,
            f"{counts[KEPT]} kept; {len(cases) - counts[KEPT]} from traffic",
            ", ".join(f"{name} {count}" for name, count in sorted(tags.items())),
            f"{len(cases)} cases on {len(documents)} documents",
        ]
    )


async def run(arguments: argparse.Namespace, local: LocalModels) -> int:
    check_output(arguments)
    settings = Settings()
    configure_logs(level="WARNING", log_format=settings.log_format)
    async with (
        open_writer(arguments.model, settings, local) as writer,
        open_services(settings, local=local) as services,
    ):
        done = await generate(services, writer, AnswerabilityCheck(local.encoder), arguments)
    cases = [case for each in done for case in each.cases]
    print(describe(done, cases))
    if not cases:
        partial_path(arguments.output).unlink()
        print("No question was fit: nothing is written.", file=sys.stderr)
        return 1
    write_set(cases, arguments.output)
    print(f"Wrote {arguments.output}. Read it before you rely on it.")
    return 0


def _days(text: str) -> int:
    days = positive(text)
    if days > MAX_DAYS:
        raise argparse.ArgumentTypeError(f"at most {MAX_DAYS} days")
    return days


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"not a whole number: {text!r}")
    return int(text)


def _intents(text: str) -> tuple[Intent, ...]:
    try:
        return tuple(dict.fromkeys(Intent(name.strip()) for name in text.split(",")))
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"{exc}: there are {', '.join(Intent)}") from exc


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make an evaluation set from a tenant's documents.")
    add = parser.add_argument
    add("--output", type=Path, required=True, metavar="SET.jsonl", help="written when all is done")
    add("--tenant", default="default", metavar="SLUG", help="whose documents are asked about")
    add("--group", action="append", default=[], help="a group whose documents are used too; repeatable")
    add("--samples", type=positive, default=100, metavar="N", help="most cases from documents")
    add("--per-document", type=positive, default=3, metavar="N", help="most chunks of a document")
    add("--model", default=TEMPLATE, help=f"provider:model that writes the questions, or {TEMPLATE}")
    add("--intents", type=_intents, default=tuple(Intent), help=f"of {', '.join(Intent)}; all by default")
    add("--seed", type=_whole, default=0, help="of the sample")
    add("--from-traffic", type=_days, metavar="DAYS", help="also what users asked and had answered since")
    add("--resume", action="store_true", help="go on with what a broken run has done")
    add("--force", action="store_true", help="replace the output, and start anew without --resume")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    arguments = parse_arguments(given)
    return exit_code(lambda: asyncio.run(run(arguments, LocalModels())), failing_to="generate")


if __name__ == "__main__":
    sys.exit(main())
