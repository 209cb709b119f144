"""Errors as RFC 9457 problem+json: one table from the exception tree to HTTP."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Match

from rag.errors import (
    BlockedError,
    ConflictError,
    ForbiddenError,
    GroundworkError,
    InvalidInputError,
    LimitExceededError,
    ModelError,
    NotFoundError,
    OverloadedError,
    QuarantinedError,
    RateLimitedError,
    ThrottledError,
    UnauthenticatedError,
    UnavailableError,
    UnreadableFileError,
    UnsupportedTypeError,
)

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
CHALLENGE = 'Bearer realm="groundwork"'
LATER_S = 3600  # where only the caller can make room, by deleting documents or on another plan
RETRY_AFTER_S = "5"  # a database restart or a model's bad moment is over by then

# Most special class first.
STATUS_OF: dict[type[GroundworkError], tuple[HTTPStatus, str]] = {
    UnsupportedTypeError: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_type"),
    UnreadableFileError: (HTTPStatus.UNPROCESSABLE_ENTITY, "unreadable_file"),
    InvalidInputError: (HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_input"),
    UnauthenticatedError: (HTTPStatus.UNAUTHORIZED, "unauthenticated"),
    ForbiddenError: (HTTPStatus.FORBIDDEN, "forbidden"),
    NotFoundError: (HTTPStatus.NOT_FOUND, "not_found"),
    ConflictError: (HTTPStatus.CONFLICT, "conflict"),
    QuarantinedError: (HTTPStatus.UNPROCESSABLE_ENTITY, "quarantined"),
    RateLimitedError: (HTTPStatus.TOO_MANY_REQUESTS, "rate_limited"),
    LimitExceededError: (HTTPStatus.TOO_MANY_REQUESTS, "quota_exceeded"),
    BlockedError: (HTTPStatus.UNPROCESSABLE_ENTITY, "blocked_by_guardrail"),
    ModelError: (HTTPStatus.BAD_GATEWAY, "model_failed"),
    ThrottledError: (HTTPStatus.TOO_MANY_REQUESTS, "throttled"),
    OverloadedError: (HTTPStatus.SERVICE_UNAVAILABLE, "overloaded"),
    UnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
    GroundworkError: (HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error"),
}
# What a caller may read of a failure on our side: never the exception's own words.
DETAIL_OF = {
    "model_failed": "A model that this request needs failed. Try again later.",
    "throttled": "The quota of a model that this request needs is used up for now. Try again later.",
    "overloaded": "More is asked of a model than it can do now. Try again later.",
    "unavailable": "A part of the service that this request needs is not available. Try again later.",
    "internal_error": "Something went wrong on our side. The request id finds it in the logs.",
    "timeout": "The request took longer than it may.",
}


class ProblemField(BaseModel):
    """One field that is wrong: where it stands and why."""

    location: list[str | int]
    message: str
    code: str


class Problem(BaseModel):
    """An error as RFC 9457 writes it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None = None
    errors: list[ProblemField] = []


class LimitProblem(Problem):
    """The limit that is in the way: a rate (`rate_limited`) or a quota (`quota_exceeded`).

    `reset` is when there will be more; null where time alone brings none.
    """

    scope: str | None = None
    limit: float | None = None
    used: float | None = None
    reset: datetime | None = None


def classify(error: GroundworkError) -> tuple[HTTPStatus, str, str]:
    """Status, code and a detail that may be shown."""
    status, code = next(STATUS_OF[kind] for kind in STATUS_OF if isinstance(error, kind))
    return status, code, DETAIL_OF.get(code) or str(error)


def error_of(code: str, detail: str) -> GroundworkError:
    """The error that `classify` gives this code for; what has no code there is a conflict."""
    kind = next((kind for kind, (_, known) in STATUS_OF.items() if known == code), ConflictError)
    return kind(detail)


def problem_response(
    request: Request,
    status: HTTPStatus,
    *,
    code: str,
    detail: str,
    errors: Sequence[ProblemField] = (),
    headers: Mapping[str, str] | None = None,
    limit: LimitExceededError | None = None,
) -> JSONResponse:
    request.scope.setdefault("state", {})["problem_code"] = code
    problem = Problem(
        title=status.phrase,
        status=status.value,
        detail=detail,
        code=code,
        request_id=request.scope.get("state", {}).get("request_id"),
        errors=list(errors),
    )
    if limit is not None:
        problem = LimitProblem(
            **dict(problem), scope=limit.scope, limit=limit.limit, used=limit.used, reset=limit.reset
        )
    return JSONResponse(
        problem.model_dump(mode="json"),
        status_code=status.value,
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )


def install_problem_handlers(app: FastAPI) -> None:
    """Make every error of `app` a problem, those of the framework included."""
    app.add_exception_handler(GroundworkError, _on_groundwork_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(TimeoutError, _on_timeout)


async def _on_groundwork_error(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, GroundworkError)  # noqa: S101 - narrows the type
    return error_response(request, exc)


def error_response(request: Request, exc: GroundworkError) -> JSONResponse:
    """The problem that the error is, which is logged if it is ours."""
    status, code, detail = classify(exc)
    headers = {}
    if isinstance(exc, OverloadedError):
        log.warning("request_shed", code=code, reason=str(exc))  # one line: there may be thousands
        headers = {"Retry-After": str(math.ceil(exc.retry_after_s))}
    elif isinstance(exc, LimitExceededError):
        return _limit_exceeded(request, exc)
    elif isinstance(exc, UnauthenticatedError):
        headers = {"WWW-Authenticate": _challenge(exc)}
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # A model's failure was logged where it happened; its traceback may hold what the model was asked.
        log.error("request_failed", code=code, exc_info=None if isinstance(exc, ModelError) else exc)
        headers = {"Retry-After": RETRY_AFTER_S}
    return problem_response(request, status, code=code, detail=detail, headers=headers)


def _limit_exceeded(request: Request, exc: LimitExceededError) -> JSONResponse:
    status, code, detail = classify(exc)
    wait_s = LATER_S if exc.reset is None else (exc.reset - datetime.now(UTC)).total_seconds()
    return problem_response(
        request,
        status,
        code=code,
        detail=detail,
        headers={"Retry-After": str(max(math.ceil(wait_s), 1))},
        limit=exc,
    )


def _challenge(exc: UnauthenticatedError) -> str:
    """As RFC 6750 (Bearer Token Usage), 3: no error code for a caller who showed nothing."""
    return f'{CHALLENGE}, error="invalid_token"' if exc.was_refused else CHALLENGE


async def _on_validation_error(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, RequestValidationError)  # noqa: S101 - narrows the type
    errors = [_field(error) for error in exc.errors()]
    if any(error["type"] == "json_invalid" for error in exc.errors()):
        detail = "The body is not valid JSON."
    else:
        detail = "; ".join(f"{'.'.join(map(str, e.location))}: {e.message}" for e in errors[:5])
    return problem_response(
        request,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        code="invalid_request",
        detail=printable(detail),
        errors=errors,
    )


def _field(error: Mapping[str, Any]) -> ProblemField:
    # The input itself is left out: it may be huge, private, or not even encodable.
    location = [printable(part) if isinstance(part, str) else part for part in error["loc"]]
    return ProblemField(
        location=location, message=printable(error["msg"].removeprefix("Value error, ")), code=error["type"]
    )


def printable(text: str) -> str:
    """The text cut to a readable length, with lone surrogates made visible: they can't be encoded."""
    limit = 300
    return text[:limit].encode("utf-8", "backslashreplace").decode()


async def _on_http_exception(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, HTTPException)  # noqa: S101 - narrows the type
    status = HTTPStatus(exc.status_code)
    code = status.name.lower()
    detail = exc.detail if exc.detail != status.phrase else status.description or status.phrase
    headers = exc.headers
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": ", ".join(_allowed_methods(request))}
    return problem_response(request, status, code=code, detail=printable(detail), headers=headers)


def _allowed_methods(request: Request) -> list[str]:
    """All that the path takes; the framework names those of its first route only."""
    routes = iter_route_contexts(request.app.routes)
    matching = (route for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for route in matching for method in route.methods or ()})


async def _on_timeout(request: Request, exc: Exception) -> JSONResponse:
    log.error("request_timed_out", exc_info=exc)
    return problem_response(request, HTTPStatus.GATEWAY_TIMEOUT, code="timeout", detail=DETAIL_OF["timeout"])


def internal_error(request: Request) -> JSONResponse:
    """What a caller is told of a crash: nothing but the id that finds it in the logs."""
    return problem_response(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        code="internal_error",
        detail=DETAIL_OF["internal_error"],
    )
