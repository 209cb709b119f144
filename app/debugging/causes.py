"""Why an answer was slow, wrong or missing: a closed list of causes, and what evidence decides.

Several may hold. The first of this order is the primary one: what ended the request; what a stage did
without; what made the answer wrong; what made it slow; and that the documents have nothing to say.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# A stage is slow when it takes so many times what is usual and so much longer, in milliseconds.
SLOW_TIMES, SLOW_MS = 3.0, 150.0
SLOW_TIMES_HIGH = 1.5  # and so many times what one request in ten exceeds
# What counts as usual for a tenant with few requests, in milliseconds.
FEW = 5
UNKNOWN_USUAL = {"accept": 100.0, "wait": 50.0, "retrieve": 300.0, "rerank": 700.0, "generate": 3000.0}
# A passage among so many of the search's best belongs into the prompt.
NEAR_THE_TOP = 3


class Cause(StrEnum):
    """What `primary_cause` can be."""

    ERROR = "error"
    OVERLOAD = "overload"
    MODEL_FAILED = "model_failed"
    DEGRADED_RETRIEVE = "degraded_retrieve"
    DEGRADED_RERANK = "degraded_rerank"
    DEGRADED_GENERATE = "degraded_generate"
    DEGRADED_CURATED = "degraded_curated"
    DOCUMENT_MISSING = "document_missing"
    RETRIEVAL_MISSED = "retrieval_missed"
    RANKED_OUT = "ranked_out"
    CITATION_DROPPED = "citation_dropped"
    ABSTAINED_WRONGLY = "abstained_wrongly"
    MODEL_IGNORED_SOURCE = "model_ignored_source"
    SLOW_QUEUE = "slow_queue"
    SLOW_RETRIEVAL = "slow_retrieval"
    SLOW_RERANK = "slow_rerank"
    SLOW_GENERATION = "slow_generation"
    NO_EVIDENCE = "no_evidence"
    NONE = "none"


class Place(StrEnum):
    """Where the passage that answers a question was."""

    PROMPT = "prompt"
    LEFT_OUT = "left_out"
    NOT_FOUND = "not_found"
    ADDED_SINCE = "added_since"


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause and what speaks for it."""

    cause: Cause
    because: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BestPassage:
    """The passage that answers the question best, as the local model reads all that is known.

    Attributes:
        place: Where it was when the question was asked.
        rank: Its place in the search, from 1.
        left_out_by: Who left it out of the prompt: `rank` or `budget`.
        is_used: Whether the answer cites it, or says what it says.
    """

    chunk_id: str
    source_document_id: str
    place: Place
    rank: int | None = None
    left_out_by: str | None = None
    is_used: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the local model makes of question and passages.

    Attributes:
        in_prompt: Probability that the prompt's sources answer, 0 to 1.
        overall: The same of all passages that are known.
        threshold: Least probability at which the local model would answer.
    """

    in_prompt: float
    overall: float
    threshold: float
    best: BestPassage | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a diagnosis rests on.

    Attributes:
        timings_ms: By stage: accept, wait, retrieve, rerank, generate, total.
        usual_ms: Medians of the tenant's requests before; without an entry where there were too few.
        high_ms: What one in ten of these exceeds.
        failed_stage: Where it ended, if it failed.
        model: The chat model that answered; None where none was asked, or none answered.
        removed_citations: Markers of the model that did not hold.
        gone: Documents that the same question's answers cited before and that are no longer there.
        reading: None where the question is not stored or nothing could be read.
    """

    timings_ms: Mapping[str, float]
    usual_ms: Mapping[str, float]
    high_ms: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    failed_stage: str | None = None
    degraded: tuple[str, ...] = ()
    abstained: bool = False
    curated: bool = False
    model: str | None = None
    removed_citations: int = 0
    gone: tuple[str, ...] = ()
    reading: Reading | None = None


def find_causes(facts: Facts) -> list[Finding]:
    """All that can be told, the primary cause first; one that says `none` where nothing is wrong."""
    found = [*_failure(facts), *_degraded(facts)]
    if facts.error is None and not facts.curated:
        found += _wrong(facts)
    if not any(finding.cause in {Cause.OVERLOAD, Cause.MODEL_FAILED} for finding in found):
        found += _slow(facts)
    if facts.abstained and not any(finding.cause not in _SLOW for finding in found):
        because = "the documents that are known hold no answer"
        found.append(Finding(Cause.NO_EVIDENCE, because, _odds(facts.reading)))
    return found or [Finding(Cause.NONE, "nothing out of the ordinary")]


_SLOW = {Cause.SLOW_QUEUE, Cause.SLOW_RETRIEVAL, Cause.SLOW_RERANK, Cause.SLOW_GENERATION}
_STAGES = {
    "accept": Cause.SLOW_QUEUE,
    "wait": Cause.SLOW_QUEUE,
    "retrieve": Cause.SLOW_RETRIEVAL,
    "rerank": Cause.SLOW_RERANK,
    "generate": Cause.SLOW_GENERATION,
}
_TIMEOUTS = {"TimeoutError"}
_OVERLOADS = {"OverloadedError", "ThrottledError"}


def _failure(facts: Facts) -> Iterator[Finding]:
    if facts.error is None:
        return
    evidence = {"error": facts.error, "failed_stage": facts.failed_stage}
    if facts.error in _OVERLOADS:
        yield Finding(Cause.OVERLOAD, "a model had too much to do and turned the request away", evidence)
    elif facts.error in _TIMEOUTS or (facts.error == "client_closed" and _is_slow(facts, "total")):
        stage = facts.failed_stage or "retrieve"
        yield Finding(_STAGES[stage], f"it ended by {facts.error} within {stage}", evidence)
    elif facts.failed_stage == "generate" and facts.error in {"ModelError", "UnavailableError"}:
        yield Finding(Cause.MODEL_FAILED, "no chat model answered", evidence)
    else:
        yield Finding(Cause.ERROR, f"it ended by {facts.error}", evidence)


def _degraded(facts: Facts) -> Iterator[Finding]:
    for name in facts.degraded:
        stage = name.partition(":")[0]
        because = f"{name} failed and was done without"
        yield Finding(Cause(f"degraded_{stage}"), because, {"degraded": name})


def _wrong(facts: Facts) -> Iterator[Finding]:
    if facts.gone:
        because = "an earlier answer to the same question cited a document that is no longer there"
        yield Finding(Cause.DOCUMENT_MISSING, because, {"documents": list(facts.gone)})
        return
    if misplaced := _misplaced(facts.reading):
        yield misplaced
        return
    if facts.removed_citations:
        because = f"{facts.removed_citations} citations of the model did not hold and were removed"
        yield Finding(Cause.CITATION_DROPPED, because, {"removed_citations": facts.removed_citations})
        return
    reading = facts.reading
    if reading is None or reading.in_prompt < reading.threshold:
        return
    if facts.abstained and facts.model is None:
        because = "a source answers, and no model was asked: see RELEVANCE_FLOOR"
        yield Finding(Cause.ABSTAINED_WRONGLY, because, _odds(reading))
    elif facts.abstained:
        because = "a source in the prompt answers, and the model declined"
        yield Finding(Cause.MODEL_IGNORED_SOURCE, because, _odds(reading))
    elif reading.best and reading.best.place is Place.PROMPT and not reading.best.is_used:
        because = "the source in the prompt that answers best was not used"
        yield Finding(Cause.MODEL_IGNORED_SOURCE, because, _odds(reading))


def _misplaced(reading: Reading | None) -> Finding | None:
    """The passage that answers was not in the prompt, though it could have been."""
    best = reading.best if reading else None
    if reading is None or best is None or best.is_used or reading.overall < reading.threshold:
        return None
    near = best.rank is not None and best.rank <= NEAR_THE_TOP
    evidence = _odds(reading)
    match best.place:
        case Place.LEFT_OUT if near:
            return Finding(Cause.RANKED_OUT, f"it was found, and left out by {best.left_out_by}", evidence)
        case Place.NOT_FOUND if near:
            return Finding(Cause.RETRIEVAL_MISSED, "a search of all passages finds it near the top", evidence)
        case Place.ADDED_SINCE if reading.in_prompt < reading.threshold:
            return Finding(Cause.DOCUMENT_MISSING, "what answers it was taken in since", evidence)
    return None


def _odds(reading: Reading | None) -> dict[str, Any]:
    if reading is None:
        return {}
    best = reading.best
    return {
        "answerable_by_prompt": round(reading.in_prompt, 3),
        "answerable_by_all": round(reading.overall, 3),
        "chunk_id": best.chunk_id if best else None,
        "source_document_id": best.source_document_id if best else None,
        "place": best.place.value if best else None,
        "rank": best.rank if best else None,
    }


def _slow(facts: Facts) -> Iterator[Finding]:
    """The slow stages, the one that cost most first."""
    over = {
        stage: facts.timings_ms[stage] - usual(facts, stage) for stage in _STAGES if _is_slow(facts, stage)
    }
    waited = over.get("wait", 0.0)  # in the queue of a model that answers as quickly as ever
    over = {stage: more for stage, more in over.items() if stage == "wait" or more > 2 * waited}
    for stage in sorted(over, key=over.__getitem__, reverse=True):
        took, normal = facts.timings_ms[stage], usual(facts, stage)
        evidence = {"stage": stage, "ms": took, "usual_ms": normal}
        yield Finding(_STAGES[stage], f"{stage} took {took:.0f} ms; usual are {normal:.0f}", evidence)


def _is_slow(facts: Facts, stage: str) -> bool:
    took = facts.timings_ms.get(stage, 0.0)
    normal = usual(facts, stage)
    limits = (SLOW_TIMES * normal, normal + SLOW_MS, SLOW_TIMES_HIGH * facts.high_ms.get(stage, 0.0))
    return took > max(limits)


def usual(facts: Facts, stage: str) -> float:
    """What a stage usually takes for the tenant, in milliseconds."""
    return facts.usual_ms.get(stage, UNKNOWN_USUAL.get(stage, sum(UNKNOWN_USUAL.values())))
