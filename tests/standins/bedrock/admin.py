"""The stand-in's own calls, for tests that run it as another process."""

import json
from collections import Counter
from typing import Any

from tests.standins.bedrock.control import Bedrock, Call
from tests.standins.bedrock.exchange import Exchange

PREFIX = "/_standin/"


async def administer(bedrock: Bedrock, exchange: Exchange) -> None:
    request = exchange.request
    if (request.method, request.path) == ("GET", "/_standin/calls"):
        await exchange.answer(json.dumps(_seen(bedrock), default=_readable).encode())
    elif (request.method, request.path) == ("POST", "/_standin/reset"):
        bedrock.reset()
        await exchange.answer({})
    elif (request.method, request.path) == ("POST", "/_standin/script"):
        try:
            bedrock.script(json.loads(request.body))
        except (ValueError, AttributeError, TypeError) as exc:
            await exchange.answer({"message": str(exc)}, status=400)
        else:
            await exchange.answer({})
    else:
        await exchange.answer({"message": "there are calls, script and reset"}, status=404)


def _seen(bedrock: Bedrock) -> dict[str, Any]:
    return {
        "counts": Counter(call.operation for call in bedrock.calls),
        "calls": [_shown(call) for call in bedrock.calls],
        "violations": bedrock.violations,
        "abandoned": bedrock.abandoned,
        "refused": bedrock.refused,
    }


def _shown(call: Call) -> dict[str, Any]:
    return {
        "operation": call.operation,
        "model_id": call.model_id,
        "region": call.region,
        "params": call.params,
    }


def _readable(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else repr(value)
