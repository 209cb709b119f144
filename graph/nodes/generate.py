import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace

import structlog
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langgraph.runtime import Runtime

from graph.events import Released
from graph.state import AnswerContext, AnswerState, AnswerUpdate
from rag.cite import Citation
from rag.errors import GroundworkError, ModelError, OverloadedError, UnavailableError
from rag.guardrail import Side
from rag.models.catalog import Operation
from rag.models.spans import model_span, note_answer, note_prompt
from rag.models.types import ChatModel
from rag.models.usage import ModelUse, chat_use_of, metering, record, streamed_usage
from rag.ports import Passage
from rag.prompt import render
from rag.release import verified_sentences
from rag.safety import OutputChecks

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Draft:
    """The answer so far: only what was checked.

    Attributes:
        removed: Markers that did not hold.
        first_token_ms: From the beginning of this attempt to the model's first words; None before them.
        is_released: Whether a part of it can't be taken back any more.
        is_billed: Whether the model used something, said or not.
        usage: What it has said that it used; all of it once `is_complete`.
    """

    text: str = ""
    citations: list[Citation] = field(default_factory=list)
    removed: int = 0
    first_token_ms: float | None = None
    began: float = field(default_factory=time.perf_counter)
    is_released: bool = False
    usage: UsageMetadata | None = None
    is_billed: bool = False
    is_complete: bool = False


async def generate(state: AnswerState, runtime: Runtime[AnswerContext]) -> AnswerUpdate:
    """Ask the first model that works; release each sentence as soon as its citations are checked.

    A model that fails before anything was released is replaced by the next one of the chain; one that breaks
    off in the middle of its answer is asked once more before that.

    Raises:
        ModelError: Every model failed, or one failed after a part of its answer was released.
        OverloadedError: The same, and the last of them could do no more now.
        BlockedError: A guardrail refuses the question or a part of the answer.
    """
    passages = [source.passage for source in state.get("sources", [])]
    messages = render(state["question"], passages, runtime.context.prompt)
    failures: dict[str, GroundworkError] = {}
    for chat in runtime.context.chat_models:
        draft = await _draft(chat, messages, passages, runtime)
        if isinstance(draft, GroundworkError):
            failures[f"generate:{chat.name}"] = draft
            continue
        return {
            "answer": draft.text,
            "citations": draft.citations,
            "removed_citations": draft.removed,
            "first_token_ms": draft.first_token_ms,
            "usage": draft.usage,
            "model_name": chat.name,
            "degraded": list(failures),
        }
    raise _summary(list(failures.values()))


async def _draft(
    chat: ChatModel, messages: list[BaseMessage], passages: list[Passage], runtime: Runtime[AnswerContext]
) -> Draft | GroundworkError:
    """The model's answer, or why it has none."""
    for is_last in (False, True):
        draft = Draft()
        try:
            with model_span(Operation.CHAT, chat.name) as span, _metered(draft, chat):
                note_prompt(span, messages)
                await _write(draft, chat, messages, passages, runtime)
                note_answer(span, draft.text)
        except (ModelError, UnavailableError) as exc:
            if draft.is_released:
                raise
            log.warning("chat_model_failed", model=chat.name, error=str(exc))
            if is_last or not draft.is_billed:
                return exc
        else:
            return draft
    raise AssertionError("the last attempt ends in one or the other")


def _summary(failures: list[GroundworkError]) -> GroundworkError:
    """What the caller is told when all failed: best that it is worth coming back, if it is."""
    overloads = [failure for failure in failures if isinstance(failure, OverloadedError)]
    if overloads:
        return min(overloads, key=lambda failure: failure.retry_after_s)
    error = ModelError("no chat model answered")
    error.__cause__ = failures[-1] if failures else None
    return error


async def _write(
    draft: Draft,
    chat: ChatModel,
    messages: list[BaseMessage],
    passages: list[Passage],
    runtime: Runtime[AnswerContext],
) -> None:
    context, held = runtime.context, list[Released]()
    checks = OutputChecks(context.prompt.text, context.suppressed)
    async with aclosing(_pieces(draft, chat, messages)) as pieces:  # whatever ends this ends the model's work
        async for sentence in verified_sentences(pieces, passages, checks):
            if sentence.text and context.guardrail is not None:
                await context.guardrail.check(sentence.text, Side.ANSWER)
            if sentence.text:
                held.append(Released(sentence.text, sentence.citations))
            draft.text += sentence.text
            draft.citations.extend(sentence.citations)
            draft.removed += sentence.removed
            if not context.hold_back:
                _release(held, draft, runtime)
    _release(held, draft, runtime)


def _release(held: list[Released], draft: Draft, runtime: Runtime[AnswerContext]) -> None:
    for piece in held:
        runtime.stream_writer(piece)
        draft.is_released = True
    held.clear()


@contextmanager
def _metered(draft: Draft, chat: ChatModel) -> Iterator[None]:
    """Records what the model uses within, unless the model does so itself."""
    with metering() as meter:
        try:
            yield
        finally:
            recorded = any(use.operation is Operation.CHAT for use in meter.uses)
            if draft.is_billed and not recorded:
                record(_use(draft, chat))


def _use(draft: Draft, chat: ChatModel) -> ModelUse:
    said = chat_use_of(chat.name, draft.usage) if draft.usage else ModelUse(chat.name, Operation.CHAT)
    return said if draft.usage and draft.is_complete else replace(said, unmetered_calls=1)


async def _pieces(draft: Draft, chat: ChatModel, messages: list[BaseMessage]) -> AsyncGenerator[str]:
    """The model's text as it comes; its token counts go into the draft."""
    try:
        async for chunk in chat.model.astream(messages):
            draft.is_billed = True
            if draft.first_token_ms is None:
                draft.first_token_ms = round((time.perf_counter() - draft.began) * 1000, 2)
            if isinstance(chunk, AIMessageChunk) and chunk.usage_metadata:
                draft.usage = streamed_usage(draft.usage, chunk.usage_metadata)
            yield str(chunk.text)
        draft.is_complete = True
    except asyncio.CancelledError:
        draft.is_billed = True  # the model may have read the prompt by now
        raise
    except GroundworkError:
        raise
    except Exception as exc:  # SDKs share no base class; what they raise is a failed model
        raise ModelError(f"the chat model {chat.name} failed") from exc
