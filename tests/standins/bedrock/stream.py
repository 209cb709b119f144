"""Streams with their pace, and everything that can happen in the middle of one."""

from collections.abc import Iterator

from tests.standins.bedrock.control import Bedrock
from tests.standins.bedrock.eventstream import CONTENT_TYPE, Event, damaged, frame
from tests.standins.bedrock.exchange import ConnectionEndedError, Exchange
from tests.standins.bedrock.faults import Fault

_MID_STREAM = frozenset({"stall", "cut", "malformed", "stream_error"})


async def send_stream(
    bedrock: Bedrock, exchange: Exchange, events: Iterator[Event], fault: Fault | None
) -> None:
    """Write the events, the tokens among them in their time.

    Raises:
        ConnectionEndedError: The caller hung up, or the stand-in did.
    """
    ends = fault if fault and fault.kind in _MID_STREAM else None
    await exchange.start({"Content-Type": CONTENT_TYPE, "x-amzn-bedrock-content-type": "application/json"})
    tokens = 0
    for event in events:
        if ends and (tokens >= ends.after or (tokens and not event.is_token)):
            await _end_badly(exchange, event, ends)
            return
        if event.is_token:
            await _keep_pace(bedrock, exchange, fault, is_first=tokens == 0)
            tokens += 1
        await exchange.write(frame(event))
    await exchange.write(b"", more=False)


async def _keep_pace(bedrock: Bedrock, exchange: Exchange, fault: Fault | None, *, is_first: bool) -> None:
    delay = bedrock.first_token_delay_s if is_first else bedrock.token_delay_s
    if is_first and fault and fault.kind == "slow_first_token":
        delay += fault.delay_s
    await exchange.pause(delay)
    if bedrock.down:
        await exchange.reset()
        raise ConnectionEndedError


async def _end_badly(exchange: Exchange, event: Event, fault: Fault) -> None:
    if fault.kind == "stall":
        await exchange.pause(fault.delay_s)
    if fault.kind in {"stall", "cut"}:
        await exchange.cut()
        return
    if fault.kind == "malformed":
        await exchange.write(damaged(frame(event)))
    else:
        said = {"message": f"The stream ended with {fault.error}."}
        await exchange.write(frame(Event(fault.error, said, is_exception=True)))
    await exchange.write(b"", more=False)
