"""Explain one request: `scripts/debug_request.py <request_id>` prints its story and what went wrong."""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from dataclasses import replace

from app.access.identity import Identity
from app.audit import script_identity
from app.schemas.traces import Candidate, TraceOut
from app.services import Services
from app.setting_problems import SettingsError
from db.repositories import tenants
from rag.errors import GroundworkError, NotFoundError
from scripts.ingest_commands import services_for


async def explain(arguments: argparse.Namespace) -> TraceOut:
    async with services_for(works=False) as services:
        identity = await _identity(services, arguments)
        return await services.explainer.explain(identity, arguments.request_id, replay=arguments.replay)


async def _identity(services: Services, arguments: argparse.Namespace) -> Identity:
    own = script_identity(services.default_identity)
    async with services.database.system() as connection:
        tenant = await tenants.find(connection, arguments.tenant)
    if tenant is None:
        raise NotFoundError(f"there is no tenant {arguments.tenant}")
    return replace(own, tenant_id=tenant.id, groups=tuple(arguments.group))


def lines(story: TraceOut) -> Iterator[str]:
    """The story for people."""
    yield f"request    {story.request_id} at {story.created_at:%Y-%m-%d %H:%M:%S %Z}"
    yield f"cause      {story.primary_cause.value}"
    for finding in story.causes:
        yield f"           {finding.cause.value}: {finding.because} {finding.evidence or ''}".rstrip()
    yield f"question   {story.query if story.query is not None else '(not stored)'}"
    yield f"answer     {_answer(story)}"
    yield f"models     {', '.join(f'{kind} {name}' for kind, name in story.models.items())}"
    yield f"prompt     {story.prompt_version}; corpus version {story.corpus_version}; {story.strategy}"
    yield f"cost       {story.usage.get('total_tokens', 0)} tokens, {story.usage.get('cost_usd')} USD"
    if story.variant:
        yield f"variant    {story.variant}"
    if story.degraded:
        yield f"degraded   {', '.join(story.degraded)}"
    yield f"citations  {len(story.citations)} kept, {story.removed_citations} removed"
    yield "timeline   " + ", ".join(
        f"{each.stage} {each.ms:.0f} ms"
        + (f" (usually {each.usual_ms:.0f})" if each.usual_ms is not None else "")
        for each in story.timeline
    )
    for candidate in story.candidates:
        yield _candidate(candidate)
    if story.hidden_candidates:
        yield f"           {story.hidden_candidates} more of documents that are closed"
    for verdict in story.feedback:
        yield f"feedback   {verdict.rating:+d} {' '.join(verdict.labels)} {verdict.comment or ''}".rstrip()


def _answer(story: TraceOut) -> str:
    if story.error:
        return f"(none: {story.error} in {story.failed_stage})"
    if story.answer is None:
        return "(withheld: a source is closed)" if story.withheld else "(not stored)"
    return story.answer


def _candidate(found: Candidate) -> str:
    where = f"[{found.prompt_number}]" if found.in_prompt else f"left out by {found.left_out_by}"
    ranks = f"vector {found.vector.rank}, lexical {found.lexical.rank}, fused {found.fused.rank}"
    rerank = f", rerank {found.rerank.rank}" if found.rerank and found.rerank.rank else ""
    name = found.source_document_id or f"{found.document_id} (gone)"
    return f"  {where:<20} {name}: {ranks}{rerank}{', cited' if found.is_cited else ''}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Explain one request.")
    parser.add_argument("request_id")
    parser.add_argument("--tenant", default="default", help="slug of the tenant whose request it was")
    parser.add_argument("--group", action="append", default=[], help="open this group's documents too")
    parser.add_argument("--replay", action="store_true", help="search again for what was missed")
    parser.add_argument("--json", action="store_true", help="as GET /traces/{request_id} gives it")
    arguments = parser.parse_args()
    try:
        story = asyncio.run(explain(arguments))
    except GroundworkError as exc:
        print(f"Cannot explain: {exc}", file=sys.stderr)
        return 2 if isinstance(exc, SettingsError) else 1
    print(story.model_dump_json(indent=2) if arguments.json else "\n".join(lines(story)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
