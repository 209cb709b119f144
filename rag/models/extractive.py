"""`local:extractive`: a chat model that answers by quoting, so that it can't make anything up."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict

from rag.models.answer_quote import Pick
from rag.models.answer_selection import AnswerSelector
from rag.models.minilm import MiniLMEmbeddings
from rag.prompt import NO_ANSWER, PromptSource, read
from rag.sentences import sentence_spans

HEADING = re.compile(r"#{1,6}\s")
ENDS_A_SENTENCE = re.compile(r"[.!?。！？…][\"'”’)\]]*$")


class ExtractiveChatModel(BaseChatModel):
    """Quotes the sentences of the sources that answer the question, each with its `[n]`.

    It reads the prompt that `rag.prompt.render` writes. Its reply is `NO_ANSWER` where none of the sources
    is likely to answer, or where the message isn't such a prompt.

    Attributes:
        encoder: The local embedding model; it also counts tokens.
        selector: Chooses the sentences and says how likely they answer.
        threshold: Least probability of an answer, 0 to 1, below which it abstains.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    encoder: MiniLMEmbeddings
    selector: AnswerSelector
    threshold: float

    @property
    def _llm_type(self) -> str:
        return "local-extractive"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        pieces = self._answer(messages)
        message = AIMessage("".join(pieces), usage_metadata=self._usage(messages, pieces))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        pieces = self._answer(messages)
        for piece in pieces:
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
            if run_manager:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk
        usage = self._usage(messages, pieces)
        last = AIMessageChunk(content="", usage_metadata=usage, chunk_position="last")
        yield ChatGenerationChunk(message=last)

    def _answer(self, messages: Sequence[BaseMessage]) -> list[str]:
        """The reply in pieces, a quotation each."""
        human = next((m for m in reversed(messages) if isinstance(m, HumanMessage)), None)
        prompt = read(str(human.text)) if human else None
        if prompt is None or not prompt.sources:
            return [NO_ANSWER]
        selection = self.selector.select(prompt.question, [_sentences(source) for source in prompt.sources])
        if not selection.picks or selection.answerable < self.threshold:
            return [NO_ANSWER]
        last = len(selection.picks) - 1
        return [
            _quotation(pick, prompt.sources[pick.source], is_last=position == last)
            for position, pick in enumerate(selection.picks)
        ]

    def _usage(self, messages: Sequence[BaseMessage], pieces: Sequence[str]) -> UsageMetadata:
        asked = sum(self.encoder.count_tokens([str(message.text) for message in messages]))
        answered = self.encoder.count_tokens(["".join(pieces)])[0]
        return UsageMetadata(input_tokens=asked, output_tokens=answered, total_tokens=asked + answered)


def _sentences(source: PromptSource) -> list[str]:
    """What may be quoted of a source: a heading announces an answer, but isn't one."""
    sentences = [source.text[start:end] for start, end in sentence_spans(source.text)]
    return [sentence for sentence in sentences if not HEADING.match(sentence)] or sentences


def _quotation(pick: Pick, source: PromptSource, *, is_last: bool) -> str:
    # A quotation without a full stop (a heading, a table row) is set apart by a line of its own.
    gap = "" if is_last else " " if ENDS_A_SENTENCE.search(pick.text) else "\n\n"
    return f"{pick.text} [{source.number}]{gap}"
