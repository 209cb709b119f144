"""From a request to its answer: who may ask, what is wrong with it, what goes wrong on purpose."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.model import OperationModel

from tests.standins.bedrock import anthropic, catalogue, converse, errors, wire
from tests.standins.bedrock.admin import PREFIX, administer
from tests.standins.bedrock.chat import Reply, reply_to
from tests.standins.bedrock.comprehend import detect_pii_entities
from tests.standins.bedrock.control import Bedrock, Call
from tests.standins.bedrock.embed import embed
from tests.standins.bedrock.errors import ApiError
from tests.standins.bedrock.exchange import ConnectionEndedError, Exchange, Receive, Scope, Send
from tests.standins.bedrock.faults import Fault
from tests.standins.bedrock.guardrails import apply_guardrail
from tests.standins.bedrock.models import Kind, Model, resolve
from tests.standins.bedrock.rerank import rerank
from tests.standins.bedrock.stream import send_stream
from tests.standins.bedrock.tokens import count_input

CHATS = frozenset({"Converse", "ConverseStream", "CountTokens"})
STREAMS = frozenset({"ConverseStream", "InvokeModelWithResponseStream"})
_OTHERS: Mapping[str, Callable[[Bedrock, Call], Mapping[str, Any]]] = {
    "Rerank": rerank,
    "ListFoundationModels": catalogue.list_models,
    "GetFoundationModel": catalogue.get_model,
    "GetFoundationModelAvailability": catalogue.get_availability,
    "ListInferenceProfiles": catalogue.list_profiles,
    "GetInferenceProfile": catalogue.get_profile,
    "DetectPiiEntities": detect_pii_entities,
}


class App:
    """The stand-in as an ASGI application."""

    def __init__(self, bedrock: Bedrock) -> None:
        self.bedrock = bedrock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send)
        try:
            await exchange.read()
            await self._respond(exchange)
        except ConnectionEndedError:
            self.bedrock.abandoned += 1
        finally:
            exchange.close()

    async def _respond(self, exchange: Exchange) -> None:
        if exchange.request.path.startswith(PREFIX):
            await administer(self.bedrock, exchange)
            return
        if self.bedrock.down:
            self.bedrock.refused += 1
            await exchange.reset()
            return
        try:
            await self._serve(exchange)
        except ApiError as error:
            if error.malformed:
                self.bedrock.violations.append(f"{exchange.request.path}: {error.message}")
            await exchange.refuse(error)
        except ConnectionEndedError:
            raise
        except Exception as exc:  # the boundary of a task: a mistake of the stand-in, or of a test's callable
            self.bedrock.violations.append(f"{exchange.request.path}: the stand-in failed: {exc!r}")
            raise

    async def _serve(self, exchange: Exchange) -> None:
        operation, call = self._read(exchange)
        self._check_account(call)
        if found := wire.problems(operation.input_shape, call.params):
            raise errors.invalid("; ".join(found))
        fault = self.bedrock.next_fault(call.operation, call.model_id)
        if error := fault and fault.as_error():
            raise error
        if fault and fault.kind == "down":
            await exchange.reset()
        elif call.operation in STREAMS:
            await self._stream(exchange, call, fault)
        else:
            await self._answer(exchange, call, fault)

    def _read(self, exchange: Exchange) -> tuple[OperationModel, Call]:
        request = exchange.request
        found = wire.read(request)
        if found is None:
            raise ApiError(
                404, "UnknownOperationException", f"{request.method} {request.path}", malformed=True
            )
        operation, params = found
        authorization = request.headers.get("authorization", "")
        call = Call(operation.name, _model_of(params), params, request.region, authorization, request.headers)
        self.bedrock.calls.append(call)
        return operation, call

    def _check_account(self, call: Call) -> None:
        if not call.authorization:
            raise errors.NO_CREDENTIALS
        if self.bedrock.credentials_expired:
            raise errors.EXPIRED
        if self.bedrock.wrong_region:
            not_enabled = self.bedrock.wrong_region == "not_enabled"
            raise errors.NOT_ENABLED if not_enabled else errors.NOT_OFFERED

    async def _stream(self, exchange: Exchange, call: Call, fault: Fault | None) -> None:
        model = self._model(call, "TEXT")
        if model.kind != "TEXT":
            raise errors.refused("The model is unsupported for streaming.")
        reply = await self._reply(call, model, fault)
        if call.operation == "ConverseStream":
            events = converse.events(reply, lambda: exchange.elapsed_ms)
        else:
            events = anthropic.events(reply, model.id, lambda: exchange.elapsed_ms)
        await send_stream(self.bedrock, exchange, events, fault)

    async def _answer(self, exchange: Exchange, call: Call, fault: Fault | None) -> None:
        body, headers, delay = await self._result(exchange, call, fault)
        if fault and fault.kind in {"slow_first_token", "stall"}:
            delay += fault.delay_s
        if delay:
            await exchange.pause(delay)
        if fault and fault.kind in {"stall", "cut"}:
            await exchange.reset()
        elif fault and fault.kind == "stream_error":
            raise errors.MODEL_ERROR
        else:
            raw = fault.body if fault and fault.kind == "malformed" else json.dumps(body).encode()
            await exchange.answer(raw, headers=headers)

    async def _result(
        self, exchange: Exchange, call: Call, fault: Fault | None
    ) -> tuple[Mapping[str, Any], Mapping[str, str], float]:
        """The answer's body and headers, and how long it takes."""
        if call.operation == "ApplyGuardrail":
            blocked = fault if fault and fault.kind == "guardrail" else None
            return apply_guardrail(self.bedrock, call, blocked), {}, 0.0
        if call.operation in _OTHERS:
            if call.operation == "Rerank":
                self._model(call, "RERANK")
            return _OTHERS[call.operation](self.bedrock, call), {}, self.bedrock.answer_delay_s
        model = self._model(call, "TEXT" if call.operation in CHATS else "EMBEDDING")
        if call.operation == "CountTokens":
            return {"inputTokens": _counted(call)}, {}, 0.0
        if model.kind != "TEXT":
            body, tokens = embed(model, call.params["body"])
            return body, {"x-amzn-bedrock-input-token-count": str(tokens)}, self.bedrock.answer_delay_s
        reply = await self._reply(call, model, fault)
        delay = self.bedrock.first_token_delay_s + len(reply.pieces) * self.bedrock.token_delay_s
        if call.operation == "Converse":
            return converse.output(reply, exchange.elapsed_ms + round(delay * 1000)), {}, delay
        return anthropic.output(reply, model.id), _token_headers(reply), delay

    async def _reply(self, call: Call, model: Model, fault: Fault | None) -> Reply:
        blocked = fault is not None and fault.kind == "guardrail"
        params = call.params if call.operation.startswith("Converse") else anthropic.as_converse(call.body)
        return await reply_to(self.bedrock, params, model, blocked=blocked)

    def _model(self, call: Call, kind: Kind) -> Model:
        """The model that is called, if it can do this and the account has it."""
        model = resolve(call.model_id, call.region, self.bedrock.application_profiles)
        if self.bedrock.denied_models & {call.model_id, model.id}:
            raise errors.DENIED
        if (model.kind == "RERANK") != (kind == "RERANK"):
            raise errors.UNKNOWN_MODEL
        if call.operation in CHATS and model.kind != "TEXT":
            raise errors.NOT_A_CHAT_MODEL
        return model


def _model_of(params: Mapping[str, Any]) -> str:
    if "rerankingConfiguration" in params:
        try:
            configuration = params["rerankingConfiguration"]["bedrockRerankingConfiguration"]
            return str(configuration["modelConfiguration"]["modelArn"])
        except (KeyError, TypeError):
            return ""  # the check of the parameters says what is missing
    return str(params.get("modelId", ""))


def _counted(call: Call) -> int:
    asked = call.params["input"]
    if "converse" in asked:
        return count_input(asked["converse"])
    return count_input(anthropic.as_converse(json.loads(asked["invokeModel"]["body"])))


def _token_headers(reply: Reply) -> dict[str, str]:
    return {
        "x-amzn-bedrock-input-token-count": str(reply.usage["inputTokens"]),
        "x-amzn-bedrock-output-token-count": str(reply.usage["outputTokens"]),
    }
