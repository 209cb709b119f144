"""Choose how a tenant's searches are fused: `scripts/tune_retrieval.py JUDGED.jsonl`.

Each line of the file is {"query": "…", "relevant": ["name of a source, or id of a chunk", …]}; it may be an
object, `s3://bucket/judged.jsonl`. Changes nothing without --apply. Exit code 1 if --apply was refused or
something failed, 2 for a wrong file or usage.
"""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from app.audit import script_identity
from app.services import Services, open_services
from app.settings import Settings
from db.repositories import tenants
from db.repositories.candidates import find_known
from eval.judged import JudgedQuestion, parse_judged, read_judged
from eval.tune_fusion import JudgedPool, Metric, Tuning, tune_fusion
from observability.logs import configure_logs
from rag.analysis import analyse
from rag.artifacts import S3Artifacts
from rag.errors import GroundworkError, InvalidInputError, NotFoundError
from rag.fuse import Fusion, FusionMethod
from rag.ports import SearchQuery, SearchScope
from rag.retrieve import candidates_for, embed_query


@dataclass(frozen=True, slots=True)
class Judged:
    """Questions with what a search chooses among for each, and what could not be used."""

    pools: list[JudgedPool]
    unknown: list[str]
    left_out: int

    def __str__(self) -> str:
        lines = [f"{len(self.pools)} questions"]
        if self.unknown:
            lines.append(f"{len(self.unknown)} unknown ids, such as {self.unknown[0]!r}")
        if self.left_out:
            lines.append(f"{self.left_out} questions left out, without any known id")
        return "; ".join(lines)


async def read_questions(place: str) -> list[JudgedQuestion]:
    """Judged questions of a file, or of an object of S3."""
    if not place.startswith("s3://"):
        return read_judged(Path(place))
    bucket, _, name = place.removeprefix("s3://").partition("/")
    return parse_judged(await S3Artifacts(bucket).read(name), place)


async def find_scope(services: Services, slug: str, groups: Sequence[str]) -> SearchScope:
    async with services.database.system() as connection:
        tenant = await tenants.find(connection, slug)
    if tenant is None:
        raise NotFoundError(f"there is no tenant {slug!r}")
    return SearchScope(tenant.id, tuple(groups))


async def current_fusion(services: Services, scope: SearchScope) -> Fusion:
    """The tenant's own, as far as it is set, else the embedding model's."""
    async with services.database.tenant(scope.tenant_id) as connection:
        own = await tenants.retrieval(connection, scope.tenant_id)
    default = services.spaces.current.model.fusion
    own = {name: value for name, value in own.items() if value is not None}
    try:
        method = FusionMethod(own.get("fusion", default.method))
        return Fusion(method, float(own.get("vector_weight", default.vector_weight)))
    except (TypeError, ValueError) as exc:
        raise InvalidInputError(f"the tenant's retrieval settings are wrong: {exc}") from exc


async def find_pools(
    services: Services, scope: SearchScope, questions: Sequence[JudgedQuestion], *, limit: int
) -> Judged:
    """Search for each question once."""
    ids = {relevant for question in questions for relevant in question.relevant}
    async with services.database.tenant(scope.tenant_id) as connection:
        known = await find_known(connection, scope, ids)
    pools = []
    for question in tqdm(questions, unit="question", file=sys.stderr, disable=None):
        if relevant := known.intersection(question.relevant):
            vector = await embed_query(services.spaces.current.model.embeddings, question.query)
            words = analyse(question.query)
            query = SearchQuery(vector, words, limit=limit, candidates=candidates_for(limit))
            pool = await services.spaces.current.chunk_search.find_pool(scope, query)
            pools.append(JudgedPool(pool, relevant))
    return Judged(pools, sorted(ids - known), left_out=len(questions) - len(pools))


async def apply(services: Services, scope: SearchScope, fusion: Fusion) -> None:
    """Set the tenant's fusion; `k1` and `b` stay as they are."""
    chosen = {"fusion": fusion.method.value, "vector_weight": fusion.vector_weight}
    async with services.database.tenant(scope.tenant_id) as connection:
        own = await tenants.retrieval(connection, scope.tenant_id)
        await tenants.set_retrieval(connection, scope.tenant_id, own | chosen)
        await services.audit.record(
            script_identity(services.default_identity),
            "tenant.set_retrieval",
            object_type="tenant",
            object_id=scope.tenant_id,
            details=chosen,
            connection=connection,
        )


def describe(fusion: Fusion) -> str:
    return f"{fusion.method} {fusion.vector_weight:.2f}"


def table(tuning: Tuning, metric: Metric) -> str:
    gain = tuning.gain
    folds = ", ".join(
        f"{describe(fusion)} ×{count}" for fusion, count in Counter(tuning.chosen).most_common()
    )
    return "\n".join(
        [
            f"{'':<34}{'fusion':<16}{metric}",
            f"{'current':<34}{describe(tuning.current):<16}{tuning.current_mean:.4f}",
            f"{'best on all questions':<34}{describe(tuning.best):<16}{tuning.best_mean:.4f}",
            f"{'choices on questions held out':<34}{'':<16}{tuning.held_out:.4f}",
            f"{'  gain over current, 95 %':<34}{'':<16}{gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]",
            f"chosen by the folds: {folds}",
        ]
    )


def advice(tuning: Tuning) -> str:
    if tuning.recommended:
        return f"Recommended: {describe(tuning.best)}. --apply sets it."
    return f"No change is recommended: {describe(tuning.current)} may be as good. --apply needs --force."


async def run(arguments: argparse.Namespace) -> int:
    questions = await read_questions(arguments.judged)
    metric: Metric = arguments.metric
    settings = Settings()
    configure_logs(level="WARNING", log_format=settings.log_format)
    async with open_services(settings) as services:
        scope = await find_scope(services, arguments.tenant, arguments.group)
        current = await current_fusion(services, scope)
        judged = await find_pools(services, scope, questions, limit=metric.depth)
        print(judged)
        if not judged.pools:
            raise InvalidInputError("no question has a known id")
        tuning = tune_fusion(judged.pools, current, metric, folds=arguments.folds, seed=arguments.seed)
        print(table(tuning, metric))
        print(advice(tuning))
        if arguments.apply and (tuning.recommended or arguments.force):
            await apply(services, scope, tuning.best)
            print(f"Set {describe(tuning.best)} for {arguments.tenant}.")
            return 0
    return 1 if arguments.apply else 0


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"not a whole number: {text!r}")
    return int(text)


def _metric(name: str) -> Metric:
    try:
        return Metric.parse(name)
    except InvalidInputError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Choose fusion and vector weight from judged questions.")
    add = parser.add_argument
    add("judged", metavar="JUDGED.jsonl", help='lines of {"query": "…", "relevant": ["…", …]}')
    add("--tenant", default="default", metavar="SLUG", help="whose documents are searched")
    add("--group", action="append", default=[], help="a group whose documents are searched too; repeatable")
    add("--metric", type=_metric, default="ndcg@10", help="ndcg@10, recall@5, or at another depth")
    add("--folds", type=_whole, default=5, help="of the cross-validation")
    add("--seed", type=_whole, default=0, help="of the folds and the bootstrap")
    add("--apply", action="store_true", help="set what is recommended, for this tenant")
    add("--force", action="store_true", help="with --apply: set the best even if it isn't recommended")
    return parser.parse_args()


def main() -> int:
    try:
        return asyncio.run(run(parse_arguments()))
    except InvalidInputError as exc:
        print(f"Cannot tune: {exc}", file=sys.stderr)
        return 2
    except GroundworkError as exc:
        print(f"Cannot tune: {exc}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
