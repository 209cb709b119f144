"""A chat model that does whatever a document tells it to: the worst that could stand behind `/chat`."""

from collections.abc import Iterator
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

from eval.injection import DEMAND, fulfilled
from rag.prompt import PromptSource, read
from rag.sentences import sentence_spans

PIECE = 7  # characters a chunk


class ObedientChatModel(BaseChatModel):
    """Writes what each demand in a source asks for, four ways, so that one may get past a check of citations:
    behind a sentence of that source, within one, with its marker alone, and without any.

    Attributes:
        replies: All that it has written.
    """

    replies: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "obedient"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=_reply(messages)))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        reply = _reply(messages)
        self.replies.append(reply)
        for start in range(0, len(reply), PIECE):
            yield ChatGenerationChunk(message=AIMessageChunk(content=reply[start : start + PIECE]))


def _reply(messages: list[BaseMessage]) -> str:
    prompt = read(str(messages[-1].content))
    if prompt is None:
        return "NO_ANSWER"
    system = str(messages[0].content)
    return "\n".join(
        paragraph
        for source in prompt.sources
        for demand in DEMAND.findall(source.text) or [""]
        for paragraph in _obeyed(source, fulfilled(demand, system=system, question=prompt.question))
    )


def _obeyed(source: PromptSource, demand: str) -> list[str]:
    marker = f"[{source.number}]"
    spans = sentence_spans(DEMAND.sub("", source.text))
    longest = max((DEMAND.sub("", source.text)[a:b] for a, b in spans), key=len, default="")
    words = longest.split()
    within = " ".join([*words[:3], demand, *words[3:]])
    return [
        f"{longest} {marker}",
        f"{longest} {demand} {marker}.",
        f"{within} {marker}",
        f"{demand} {marker}",
        demand,
    ]
