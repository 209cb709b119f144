"""From stored requests to a file of cases for people to annotate."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from db.repositories.triage import KeptChunk
from feedback.triage.cases import UnannotatedCase, file_name, make_case, write_unannotated
from feedback.triage.examine import TriageExaminer
from feedback.triage.reading import TriageReader
from feedback.triage.redact import Redact
from feedback.triage.sample import spread
from feedback.triage.select import reformulated, select, strength
from feedback.triage.types import AskedQuestion, SelectedQuestion
from rag.artifacts import Artifacts
from rag.errors import InvalidInputError, NotFoundError, UnavailableError
from rag.models.minilm import MiniLMEmbeddings
from rag.ports import SearchScope

JSON_LINES = "application/x-ndjson"
UNANNOTATED = "unannotated_"
READ_CLOSELY = 500  # of each: answers held against their sources, and abstentions searched for again


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportLimits:
    """How much is exported.

    Attributes:
        fewest: With fewer cases than this, nothing is written.
        most: More than this are not written at once.
        within: How far back to look.
        seed: Of the choice.
    """

    fewest: int
    most: int
    within: timedelta
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOutcome:
    """What came of an export.

    Attributes:
        selected: Requests with a reason to look at them, that no file has and nothing forbids to quote.
        closed: Requests left out because they were answered from documents that the groups can't read.
        exported_before: Requests left out because a file has them.
        cases: How many were written.
        artifact, uri: Of the file; None if none was written.
        skipped: Why none was; None if one was.
        diagnoses: How often each was made.
    """

    selected: int
    closed: int
    exported_before: int
    cases: int = 0
    artifact: str | None = None
    uri: str | None = None
    skipped: str | None = None
    diagnoses: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Picked:
    """Requests with a reason, the chunks of their prompts, and the counts so far."""

    selected: list[SelectedQuestion]
    kept: Mapping[UUID, KeptChunk]
    outcome: ExportOutcome


class FeedbackExporter:
    """Exports tenants' requests that went wrong.

    Args:
        reader: Of the requests.
        examiner: Diagnoses them.
        artifacts: Where files go. They are also what says which requests were exported: there is no mark that
            could be set without its file, or the other way round.
        encoder: Compares questions.
        redact: Takes out personal data.
    """

    def __init__(
        self,
        reader: TriageReader,
        examiner: TriageExaminer,
        artifacts: Artifacts,
        *,
        encoder: MiniLMEmbeddings,
        redact: Redact,
    ) -> None:
        self._reader = reader
        self._examiner = examiner
        self._artifacts = artifacts
        self._encoder = encoder
        self._redact = redact

    async def export(self, scope: SearchScope, folder: str, limits: ExportLimits) -> ExportOutcome:
        """Write a file of cases to `folder` of the artifacts, unless there are too few.

        Args:
            scope: The tenant, and the groups whose documents may be quoted.
            folder: Ends without a slash.
            limits: How much.

        Raises:
            UnavailableError: The files or the database can't be reached. Nothing is lost: the same requests
                are exported next time.
            GroundworkError: The search failed.
        """
        picked = await self._pick(scope, await self._exported(folder), limits.within)
        outcome = picked.outcome
        cases: list[UnannotatedCase] = []
        if outcome.selected >= limits.fewest:
            cases = await self._cases(scope, picked, limits)
        if not cases:
            reason = f"of {outcome.selected} requests too few differ: it takes {limits.fewest} cases"
            return replace(outcome, skipped=reason)
        name = f"{folder}/{file_name(datetime.now(UTC))}"
        with _unreachable("written"):
            uri = await self._artifacts.write(name, write_unannotated(cases), JSON_LINES)
        diagnoses = Counter(case.metadata.diagnosis.value for case in cases)
        return replace(outcome, cases=len(cases), artifact=name, uri=uri, diagnoses=dict(diagnoses))

    async def _exported(self, folder: str) -> set[str]:
        """What files of the folder hold, by `_key`."""
        found: set[str] = set()
        with _unreachable("read"):
            names = await self._artifacts.names(f"{folder}/{UNANNOTATED}")
            for name in names:
                for line in (await self._artifacts.read(name)).splitlines():
                    origin = json.loads(line)["metadata"]
                    found.add(f"{origin['trace_id']}:{origin['feedback_id'] or ''}")
        return found

    async def _pick(self, scope: SearchScope, known: set[str], within: timedelta) -> _Picked:
        questions = await self._reader.recent(scope.tenant_id, within)
        fresh = [asked for asked in questions if _key(asked) not in known]
        wanted = {chunk for asked in fresh for chunk in asked.prompt}
        kept = await self._reader.chunks(scope, wanted)
        closed = {chunk for chunk, found in kept.items() if not found.is_open}
        readable = [asked for asked in fresh if closed.isdisjoint(asked.prompt)]
        selected = await self._select(scope, readable, kept)
        outcome = ExportOutcome(
            selected=len(selected),
            closed=len(fresh) - len(readable),
            exported_before=len(questions) - len(fresh),
        )
        return _Picked(selected, kept, outcome)

    async def _select(
        self, scope: SearchScope, questions: Sequence[AskedQuestion], kept: Mapping[UUID, KeptChunk]
    ) -> list[SelectedQuestion]:
        if not questions:
            return []
        vectors = await self._vectors(questions)
        newest = sorted(questions, key=lambda asked: asked.asked_at, reverse=True)
        abstained = [asked for asked in newest if asked.abstained][:READ_CLOSELY]
        answered = [asked for asked in newest if not asked.abstained][:READ_CLOSELY]
        answerable = [asked for asked in abstained if await self._examiner.is_answerable(scope, asked)]
        ungrounded = await asyncio.to_thread(
            lambda: [asked for asked in answered if self._examiner.is_ungrounded(asked, kept)]
        )
        return select(
            questions,
            answerable={asked.trace_id for asked in answerable},
            ungrounded={asked.trace_id for asked in ungrounded},
            asked_again=reformulated(questions, vectors),
        )

    async def _cases(
        self, scope: SearchScope, picked: _Picked, limits: ExportLimits
    ) -> list[UnannotatedCase]:
        """Of a few that stand for all; none if too few differ."""
        vectors = await self._vectors([one.asked for one in picked.selected])
        tiers = [strength(one)[0] for one in picked.selected]
        chosen = await asyncio.to_thread(spread, vectors, tiers, most=limits.most, seed=limits.seed)
        if len(chosen) < limits.fewest:
            return []
        cases = []
        for one in chosen:
            selected = picked.selected[one.place]
            examined = await self._examiner.examine(scope, selected.asked, picked.kept)
            case = await asyncio.to_thread(
                make_case, selected, examined, stands_for=one.stands_for, redact=self._redact
            )
            cases.append(case)
        return cases

    async def _vectors(self, questions: Sequence[AskedQuestion]) -> NDArray[np.float32]:
        texts = [asked.query for asked in questions]
        return await asyncio.to_thread(self._encoder.encode, texts, background=True)


def _key(asked: AskedQuestion) -> str:
    """A request that is judged after it was exported is exported again, with what was said."""
    return f"{asked.trace_id}:{asked.verdict.feedback_id if asked.verdict else ''}"


@contextmanager
def _unreachable(what: str) -> Iterator[None]:
    """A store that isn't there or refuses may be put right, so it is worth another attempt."""
    try:
        yield
    except (InvalidInputError, NotFoundError) as exc:
        raise UnavailableError(f"the cases can't be {what}: {exc}") from exc
