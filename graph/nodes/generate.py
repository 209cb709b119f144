from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import structlog
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata, add_usage
from langgraph.runtime import Runtime
from langgraph.types import StreamWriter

from graph.events import Released
from graph.state import AnswerContext, AnswerState, AnswerUpdate
from rag.cite import Citation
from rag.errors import GroundworkError, ModelError
from rag.models.registry import ChatModel
from rag.ports import Passage
from rag.prompt import render
from rag.release import verified_sentences

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Draft:
    """The answer so far: only what was checked and released."""

    text: str = ""
    citations: list[Citation] = field(default_factory=list)
    removed: int = 0
    usage: UsageMetadata | None = None


async def generate(state: AnswerState, runtime: Runtime[AnswerContext]) -> AnswerUpdate:
    """Ask the first model that works; release each sentence as soon as its citations are checked.

    A model that fails before anything was released is replaced by the next one of the chain.

    Raises:
        ModelError: Every model failed, or one failed after a part of its answer was released.
    """
    passages = [source.passage for source in state.get("sources", [])]
    messages = render(state["question"], passages, runtime.context.prompt)
    degraded: list[str] = []
    for chat in runtime.context.chat_models:
        draft = Draft()
        try:
            await _write(draft, chat, messages, passages, runtime.stream_writer)
        except ModelError:
            if draft.text:
                raise
            log.warning("chat_model_failed", model=chat.name, exc_info=True)
            degraded.append(f"generate:{chat.name}")
            continue
        return {
            "answer": draft.text,
            "citations": draft.citations,
            "removed_citations": draft.removed,
            "usage": draft.usage,
            "model_name": chat.name,
            "degraded": degraded,
        }
    raise ModelError("no chat model answered")


async def _write(
    draft: Draft,
    chat: ChatModel,
    messages: list[BaseMessage],
    passages: list[Passage],
    write: StreamWriter,
) -> None:
    async for sentence in verified_sentences(_pieces(draft, chat, messages), passages):
        if sentence.text:
            write(Released(sentence.text, sentence.citations))
        draft.text += sentence.text
        draft.citations.extend(sentence.citations)
        draft.removed += sentence.removed


async def _pieces(draft: Draft, chat: ChatModel, messages: list[BaseMessage]) -> AsyncIterator[str]:
    """The model's text as it comes; its token counts go into the draft."""
    try:
        async for chunk in chat.model.astream(messages):
            if isinstance(chunk, AIMessageChunk) and chunk.usage_metadata:
                draft.usage = add_usage(draft.usage, chunk.usage_metadata)
            yield str(chunk.text)
    except GroundworkError:
        raise
    except Exception as exc:  # SDKs share no base class; what they raise is a failed model
        raise ModelError(f"the chat model {chat.name} failed") from exc
