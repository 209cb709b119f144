"""A chat model as DeepEval's metrics ask it."""

import asyncio
import re
from typing import Any, TypeVar

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from pydantic import BaseModel, ValidationError

from eval.deepeval_library import DeepEvalBaseLLM
from rag.errors import InvalidInputError
from rag.models.catalog import Operation
from rag.models.types import ChatModel
from rag.models.usage import Meter, ModelUse, chat_use_of, cost_of, cost_usd, metering, record

FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n?```", re.DOTALL)
REASK = (
    "That was not the JSON that was asked for: {mistake}. "
    "Answer again with the corrected JSON object only, without any other text."
)

Reply = TypeVar("Reply", bound=BaseModel)


class NotMeasuredError(Exception):
    """No verdict was reached; the message says why. It says nothing about the answer that was judged."""


class JudgeModel(DeepEvalBaseLLM):  # type: ignore[no-untyped-call]  # DeepEval's
    """Asks a chat model for JSON. Failed calls are repeated by the chat model's own guard, and nowhere else.

    Args:
        chat: The model.
        concurrency: Calls at a time.
        max_cost_usd: Calls are refused once so much was spent; None for no such cap.

    Raises:
        InvalidInputError: There is a cap, but no price for the model.
    """

    def __init__(self, chat: ChatModel, *, concurrency: int = 3, max_cost_usd: float | None = None) -> None:
        if max_cost_usd is not None and cost_of(_token_use(chat.name)) is None:
            raise InvalidInputError(f"no price of {chat.name} is known, so its cost can't be capped")
        self._chat = chat
        self._free = asyncio.Semaphore(concurrency)
        self._max_cost_usd = max_cost_usd
        self._meter = Meter()
        super().__init__(chat.name)

    def load_model(self, *args: Any, **kwargs: Any) -> BaseChatModel:  # type: ignore[override]  # see below
        """The model itself: DeepEval's annotation promises another class than its own models return."""
        return self._chat.model

    def get_model_name(self, *args: Any, **kwargs: Any) -> str:
        return self._chat.name

    def generate(self, prompt: str, schema: type[BaseModel] | None = None) -> Any:
        """As `a_generate`, where no event loop runs."""
        return asyncio.run(self.a_generate(prompt, schema))

    async def a_generate(self, prompt: str, schema: type[BaseModel] | None = None) -> Any:
        """The model's text, or what it says as the schema has it.

        Raises:
            NotMeasuredError: Its JSON was wrong twice, or the cost cap is reached.
            GroundworkError: The model failed, as `ModelGuard.call`.
        """
        question: list[BaseMessage] = [HumanMessage(prompt)]
        text = await self._ask(question)
        if schema is None:
            return text
        try:
            return parse_reply(text, schema)
        except ValueError as exc:
            again = [AIMessage(text or "(nothing)"), HumanMessage(REASK.format(mistake=exc))]
        try:
            return parse_reply(await self._ask(question + again), schema)
        except ValueError as exc:
            raise NotMeasuredError(f"the judge's JSON was wrong twice: {exc}") from exc

    def generate_with_schema(self, *args: Any, schema: Any = None, **kwargs: Any) -> Any:
        """DeepEval's own asks a second time after a TypeError."""
        return self.generate(args[0], schema)

    async def a_generate_with_schema(self, *args: Any, schema: Any = None, **kwargs: Any) -> Any:
        """The same."""
        return await self.a_generate(args[0], schema)

    async def _ask(self, messages: list[BaseMessage]) -> str:
        async with self._free:
            self._check_cost()
            with metering(self._meter), metering() as meter:
                message = await self._chat.model.ainvoke(messages)
                if not any(use.operation is Operation.CHAT for use in meter.uses):
                    record(_use(self._chat.name, message))
        return str(message.text)

    def _check_cost(self) -> None:
        cap = self._max_cost_usd
        if cap is None:
            return
        spent = cost_usd(self._meter.uses)
        if spent is None:
            raise NotMeasuredError(f"the judge doesn't say what it uses, so ${cap:g} can't be its cost cap")
        if spent >= cap:
            raise NotMeasuredError(f"cost cap of ${cap:g} reached")


def parse_reply(text: str, schema: type[Reply]) -> Reply:
    """The JSON object that is the whole text, or all that is fenced as code in it.

    Raises:
        ValueError: It is none, or not what the schema asks for; the message is short.
    """
    fenced = FENCED.fullmatch(text.strip())
    try:
        return schema.model_validate_json(fenced[1] if fenced else text)
    except ValidationError as exc:
        error = exc.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, error["loc"]))
        raise ValueError(f"{place}: {error['msg']}" if place else error["msg"]) from exc


def _use(name: str, message: AIMessage) -> ModelUse:
    """Of a model that doesn't record its use itself."""
    usage = message.usage_metadata
    return chat_use_of(name, usage) if usage else ModelUse(name, Operation.CHAT, unmetered_calls=1)


def _token_use(name: str) -> ModelUse:
    return ModelUse(name, Operation.CHAT, input_tokens=1, output_tokens=1)
