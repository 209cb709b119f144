"""What can be made to go wrong, for the next calls or at random."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.standins.bedrock import errors
from tests.standins.bedrock.errors import ApiError

GUARDED = frozenset({"Converse", "ConverseStream", "ApplyGuardrail"})
ERRORS: Final[Mapping[str, ApiError]] = {
    "throttle": errors.THROTTLED,
    "too_many_tokens": errors.TOO_MANY_TOKENS,
    "quota": errors.QUOTA,
    "not_ready": errors.NOT_READY,
    "model_timeout": errors.MODEL_TIMEOUT,
    "server_error": errors.SERVER_ERROR,
    "unavailable": errors.UNAVAILABLE,
}
OTHERS = frozenset({"slow_first_token", "stall", "cut", "malformed", "stream_error", "guardrail", "down"})
KINDS = OTHERS | ERRORS.keys()


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong with the next calls that match.

    Attributes:
        kind: One of KINDS.
        operations: Names of operations, such as `ConverseStream`; None for all.
        models: Parts of model ids, one of which a call's holds; None for all.
        times: How many calls; None for all that come.
        delay_s: How long `slow_first_token` and `stall` are silent.
        after: Pieces of text that a stream sends before it stalls, is cut, malformed or ends in an error.
        retry_after_s: Sent with an error, as the header Retry-After.
        error: Code of `stream_error`: throttlingException, internalServerException,
            modelStreamErrorException, serviceUnavailableException or validationException.
        body: What `malformed` answers with, where it is no stream.
    """

    kind: str
    operations: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    times: int | None = 1
    delay_s: float = 5.0
    after: int = 1
    retry_after_s: float | None = None
    error: str = "modelStreamErrorException"
    body: bytes = b"<html>"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is none of {', '.join(sorted(KINDS))}")

    def matches(self, operation: str, model_id: str) -> bool:
        if self.kind == "guardrail" and operation not in GUARDED:
            return False
        return (self.operations is None or operation in self.operations) and (
            self.models is None or any(part in model_id for part in self.models)
        )

    def as_error(self) -> ApiError | None:
        """The answer instead of the real one; None for faults of another kind."""
        error = ERRORS.get(self.kind)
        if error is None or self.retry_after_s is None:
            return error
        headers = {"Retry-After": f"{self.retry_after_s:g}"}
        return ApiError(error.status, error.code, error.message, headers=headers)


def drawn(rates: Mapping[str, float], chance: random.Random) -> Fault | None:
    """One of the kinds, each with its probability; None with what is left of 1."""
    at = chance.random()
    for kind, rate in rates.items():
        if at < rate:
            return Fault(kind)
        at -= rate
    return None
