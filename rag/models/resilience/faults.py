"""What went wrong in a model call, whoever reports it: AWS's SDK, an HTTP client, another provider's library.

Those libraries share no base class and may not be installed, so an exception is known by the error code that
it carries, then by the name of its class, then by its HTTP status; last by what caused it.
"""

import re
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any

from rag.errors import (
    BlockedError,
    GroundworkError,
    InvalidInputError,
    ModelError,
    OverloadedError,
    ThrottledError,
    UnavailableError,
)
from rag.models.resilience.fault_kinds import (
    KIND_BY_CLASS,
    KIND_BY_CODE,
    KIND_BY_STATUS,
    REFINEMENTS,
    FaultKind,
)

__all__ = ["Fault", "FaultKind", "as_error", "classify", "describe"]

_SERVER_FAILED = 500


@dataclass(frozen=True, slots=True)
class Fault:
    """A failed call.

    Attributes:
        kind: What it asks for.
        retry_after_s: When the provider wants to be asked again, if it said so.
        message: For operators' logs; holds nothing of what was asked or answered.
    """

    kind: FaultKind
    retry_after_s: float | None = None
    message: str = ""


_ADVICE = {
    FaultKind.THROTTLED: "its quota of requests a minute is used up",
    FaultKind.TOKENS_THROTTLED: "its quota of tokens a minute is used up",
    FaultKind.TIMEOUT: "it didn't answer in time",
    FaultKind.NOT_READY: "it is being loaded",
    FaultKind.UNAVAILABLE: "its provider fails",
    FaultKind.CONNECTION: "it can't be reached, or the connection was cut: check endpoint, proxy and network",
    FaultKind.MALFORMED: "its answer can't be read",
    FaultKind.INVALID: "it refuses the request: too long for it, or with a parameter that it doesn't take",
    FaultKind.DENIED: "access is denied: request access to the model in the Bedrock console, and allow "
    "bedrock:InvokeModel and bedrock:InvokeModelWithResponseStream on it",
    FaultKind.CREDENTIALS: "the credentials are missing, expired or wrong: check the task's role or API key",
    FaultKind.UNKNOWN_MODEL: "there is no such model: check its id, and that AWS_REGION offers it "
    "(some are only reached by the id of an inference profile)",
    FaultKind.QUOTA: "its quota is used up: ask for more in Service Quotas",
    FaultKind.BLOCKED: "a content filter refuses the question or the answer",
    FaultKind.OTHER: "it failed",
}
# Their messages say what an operator needs; those of other kinds may repeat the prompt or the answer.
_QUOTABLE = frozenset(
    {
        FaultKind.THROTTLED,
        FaultKind.TOKENS_THROTTLED,
        FaultKind.DENIED,
        FaultKind.CREDENTIALS,
        FaultKind.UNKNOWN_MODEL,
        FaultKind.QUOTA,
    }
)
_QUOTED = 200  # characters
# How langchain-aws reports an exception that comes as an event of a stream.
_STREAM_EVENT = re.compile(r"Received AWS exception (\w+):")
_PARSER = re.compile("_*parse")  # how botocore and langchain-aws name what reads an answer
_DEFAULT_RETRY_AFTER_S = 5.0
_QUOTA_RETRY_AFTER_S = 60.0


def classify(exc: BaseException) -> Fault:
    """What kind of failure an exception reports, itself or by what caused it."""
    for link in _causes(exc):
        kind = _kind(link)
        if kind is not None:
            return Fault(kind, _retry_after(link), _message(kind, link))
    return _unknown(exc)


def _unknown(exc: BaseException) -> Fault:
    """An answer that took a parser by surprise, or a mistake of the program's; its message may hold texts."""
    frames = traceback.extract_tb(exc.__traceback__)
    kind = FaultKind.MALFORMED if any(_PARSER.match(frame.name) for frame in frames) else FaultKind.OTHER
    places = [f"at {frame.filename}:{frame.lineno}" for frame in frames[-1:]]
    return Fault(kind, None, " ".join([type(exc).__name__, *places]))


def as_error(fault: Fault, model: str, exc: BaseException) -> GroundworkError:
    """The error to raise for it: `ThrottledError`, `BlockedError` or `ModelError`.

    One of Groundwork's own stays what it is.
    """
    if isinstance(exc, GroundworkError):
        return exc
    message = describe(fault, model)
    if fault.kind in (FaultKind.THROTTLED, FaultKind.TOKENS_THROTTLED):
        return ThrottledError(message, retry_after_s=fault.retry_after_s or _DEFAULT_RETRY_AFTER_S)
    if fault.kind is FaultKind.QUOTA:
        return ThrottledError(message, retry_after_s=fault.retry_after_s or _QUOTA_RETRY_AFTER_S)
    if fault.kind is FaultKind.BLOCKED:
        return BlockedError(_ADVICE[fault.kind])
    return ModelError(message)


def describe(fault: Fault, model: str) -> str:
    """For operators: which model, what is wrong and what to do about it."""
    return f"the model {model} failed: {_ADVICE[fault.kind]} ({fault.message})"


def _causes(exc: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = exc
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _kind(exc: BaseException) -> FaultKind | None:
    if isinstance(exc, GroundworkError):
        return _own_kind(exc)
    code, text = _code(exc), _text(exc)
    by_class = (KIND_BY_CLASS.get(base.__name__) for base in type(exc).__mro__)
    kind = KIND_BY_CODE.get(code) or next((found for found in by_class if found), None) or _by_status(exc)
    for general, words, special in REFINEMENTS:
        if kind is general and words in text.lower():
            return special
    return kind


def _own_kind(exc: GroundworkError) -> FaultKind | None:
    kinds: tuple[tuple[type[GroundworkError], FaultKind], ...] = (
        (BlockedError, FaultKind.BLOCKED),
        (InvalidInputError, FaultKind.INVALID),
        (ThrottledError, FaultKind.THROTTLED),
        (UnavailableError, FaultKind.UNAVAILABLE),
    )
    return next((kind for error, kind in kinds if isinstance(exc, error)), None)


def _part(exc: BaseException, name: str) -> Mapping[str, Any]:
    """Of a botocore error's answer: what a proxy or an emulator sends may be anything."""
    response = getattr(exc, "response", None)
    part = response.get(name) if isinstance(response, Mapping) else None
    return part if isinstance(part, Mapping) else {}


def _code(exc: BaseException) -> str:
    event = _STREAM_EVENT.match(str(exc))
    code = event[1] if event else _part(exc, "Error").get("Code") or getattr(exc, "code", "")
    return re.sub("(exception|error)$", "", code.lower()) if isinstance(code, str) else ""


def _text(exc: BaseException) -> str:
    return str(_part(exc, "Error").get("Message") or exc)


def _status(exc: BaseException) -> int | None:
    found = (
        _part(exc, "ResponseMetadata").get("HTTPStatusCode"),
        getattr(exc, "status_code", None),
        getattr(getattr(exc, "response", None), "status_code", None),
    )
    return next((status for status in found if isinstance(status, int)), None)


def _by_status(exc: BaseException) -> FaultKind | None:
    status = _status(exc)
    if status is None:
        return None
    return FaultKind.UNAVAILABLE if status >= _SERVER_FAILED else KIND_BY_STATUS.get(status)


def _retry_after(exc: BaseException) -> float | None:
    if isinstance(exc, OverloadedError):
        return exc.retry_after_s
    headers = _part(exc, "ResponseMetadata").get("HTTPHeaders")
    headers = headers or getattr(getattr(exc, "response", None), "headers", None)
    value = headers.get("retry-after") if isinstance(headers, Mapping) else None
    return _seconds(value) if isinstance(value, str) else None


def _seconds(value: str) -> float | None:
    """A Retry-After header (RFC 9110): seconds, or a date."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            when = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if isfinite(seconds) else None


def _message(kind: FaultKind, exc: BaseException) -> str:
    status = _status(exc)
    parts = [type(exc).__name__, str(_part(exc, "Error").get("Code", ""))]
    parts.append(f"HTTP {status}" if status else "")
    parts.append(" ".join(_text(exc).split())[:_QUOTED] if kind in _QUOTABLE else "")
    return ", ".join(part for part in parts if part)
