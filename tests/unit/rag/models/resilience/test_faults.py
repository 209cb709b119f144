from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from json import JSONDecodeError
from typing import Any

import httpx
import pytest
import urllib3
from botocore import exceptions as aws
from botocore.parsers import ResponseParserError
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.exceptions import ContextOverflowError, OutputParserException

from rag.errors import (
    BlockedError,
    GroundworkError,
    InvalidInputError,
    ModelError,
    OverloadedError,
    ThrottledError,
    UnavailableError,
)
from rag.models.resilience.faults import Fault, FaultKind, as_error, classify

PROMPT = "the secret question"


def aws_error(
    code: str, message: str = "", *, status: int = 400, headers: dict[str, str] | None = None
) -> aws.ClientError:
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": headers or {}}
    return aws.ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, "Converse"
    )


class StatusError(Exception):
    """As the libraries of OpenAI, Anthropic and Ollama report an answer."""

    def __init__(self, status_code: int, *, code: str | None = None, retry_after: str | None = None) -> None:
        super().__init__(f"answer {status_code} to {PROMPT}")
        self.status_code = status_code
        self.code = code
        headers = {"Retry-After": retry_after} if retry_after else {}
        self.response = httpx.Response(status_code, headers=headers)


class APITimeoutError(Exception):
    pass


CODES = {
    "ThrottlingException": FaultKind.THROTTLED,
    "throttlingException": FaultKind.THROTTLED,
    "TooManyRequestsException": FaultKind.THROTTLED,
    "ModelNotReadyException": FaultKind.NOT_READY,
    "ModelTimeoutException": FaultKind.TIMEOUT,
    "ServiceUnavailableException": FaultKind.UNAVAILABLE,
    "InternalServerException": FaultKind.UNAVAILABLE,
    "modelStreamErrorException": FaultKind.UNAVAILABLE,
    "ModelErrorException": FaultKind.UNAVAILABLE,
    "ValidationException": FaultKind.INVALID,
    "AccessDeniedException": FaultKind.DENIED,
    "ExpiredTokenException": FaultKind.CREDENTIALS,
    "ExpiredToken": FaultKind.CREDENTIALS,
    "UnrecognizedClientException": FaultKind.CREDENTIALS,
    "InvalidSignatureException": FaultKind.CREDENTIALS,
    "MissingAuthenticationTokenException": FaultKind.CREDENTIALS,
    "ResourceNotFoundException": FaultKind.UNKNOWN_MODEL,
    "ServiceQuotaExceededException": FaultKind.QUOTA,
}


@pytest.mark.parametrize(("code", "kind"), CODES.items())
def test_aws_codes_are_known(code: str, kind: FaultKind) -> None:
    assert classify(aws_error(code)).kind is kind


MESSAGES = [
    ("ThrottlingException", "Too many tokens, please wait before trying again.", FaultKind.TOKENS_THROTTLED),
    ("ThrottlingException", "Too many tokens per day, please wait.", FaultKind.QUOTA),
    ("ThrottlingException", "Too many requests, please wait before trying again.", FaultKind.THROTTLED),
    ("ValidationException", "The provided model identifier is invalid.", FaultKind.UNKNOWN_MODEL),
    (
        "ValidationException",
        "Invocation of model ID x with on-demand throughput isn’t supported. Use an inference profile.",
        FaultKind.UNKNOWN_MODEL,
    ),
    ("ValidationException", "Input is too long for requested model.", FaultKind.INVALID),
    ("ValidationException", "Operation not allowed", FaultKind.DENIED),
]


@pytest.mark.parametrize(("code", "message", "kind"), MESSAGES)
def test_messages_tell_apart_what_shares_a_code(code: str, message: str, kind: FaultKind) -> None:
    assert classify(aws_error(code, message)).kind is kind


REQUEST = httpx.Request("POST", "http://127.0.0.1/")
EXCEPTIONS: list[tuple[BaseException, FaultKind]] = [
    (aws_error("502", status=502), FaultKind.UNAVAILABLE),
    (aws_error("Surprise", status=429), FaultKind.THROTTLED),
    (aws.EventStreamError({"Error": {"Code": "throttlingException"}}, "ConverseStream"), FaultKind.THROTTLED),
    (aws.ConnectTimeoutError(endpoint_url="x"), FaultKind.TIMEOUT),
    (aws.ReadTimeoutError(endpoint_url="x"), FaultKind.TIMEOUT),
    (aws.EndpointConnectionError(endpoint_url="x"), FaultKind.CONNECTION),
    (aws.ConnectionClosedError(endpoint_url="x"), FaultKind.CONNECTION),
    (aws.ResponseStreamingError(error="x"), FaultKind.CONNECTION),
    (aws.SSLError(endpoint_url="x", error="y"), FaultKind.CONNECTION),
    (aws.NoCredentialsError(), FaultKind.CREDENTIALS),
    (aws.UnauthorizedSSOTokenError(), FaultKind.CREDENTIALS),
    (aws.ParamValidationError(report=PROMPT), FaultKind.INVALID),
    (ResponseParserError("x"), FaultKind.MALFORMED),
    (urllib3.exceptions.ProtocolError("cut"), FaultKind.CONNECTION),
    (httpx.ReadTimeout("x"), FaultKind.TIMEOUT),
    (httpx.ConnectError("x"), FaultKind.CONNECTION),
    (httpx.RemoteProtocolError("incomplete chunked read"), FaultKind.CONNECTION),
    (httpx.HTTPStatusError("x", request=REQUEST, response=httpx.Response(503)), FaultKind.UNAVAILABLE),
    (StatusError(429), FaultKind.THROTTLED),
    (StatusError(429, code="insufficient_quota"), FaultKind.QUOTA),
    (StatusError(400, code="context_length_exceeded"), FaultKind.INVALID),
    (StatusError(400, code="content_filter"), FaultKind.BLOCKED),
    (StatusError(401), FaultKind.CREDENTIALS),
    (StatusError(404), FaultKind.UNKNOWN_MODEL),
    (StatusError(529), FaultKind.UNAVAILABLE),
    (APITimeoutError(), FaultKind.TIMEOUT),
    (TimeoutError(), FaultKind.TIMEOUT),
    (ConnectionResetError(), FaultKind.CONNECTION),
    (ConnectionError("Incomplete Bedrock response stream: no messageStop"), FaultKind.CONNECTION),
    (ValueError("Received AWS exception throttlingException:\n\n{}"), FaultKind.THROTTLED),
    (ValueError("Received AWS exception modelStreamErrorException:\n\n{}"), FaultKind.UNAVAILABLE),
    (JSONDecodeError("x", "", 0), FaultKind.MALFORMED),
    (OutputParserException("x"), FaultKind.MALFORMED),
    (KeyError("output"), FaultKind.MALFORMED),
    (ContextOverflowError(), FaultKind.INVALID),
    (ThrottledError("x", retry_after_s=3), FaultKind.THROTTLED),
    (UnavailableError("x"), FaultKind.UNAVAILABLE),
    (InvalidInputError("x"), FaultKind.INVALID),
    (BlockedError("x"), FaultKind.BLOCKED),
    (ModelError("x"), FaultKind.OTHER),
    (ValueError(PROMPT), FaultKind.OTHER),
    (TypeError(PROMPT), FaultKind.OTHER),
]


@pytest.mark.parametrize(("exc", "kind"), EXCEPTIONS, ids=lambda each: type(each).__name__)
def test_exceptions_are_known(exc: BaseException, kind: FaultKind) -> None:
    assert classify(exc).kind is kind


def test_what_caused_an_exception_is_looked_at() -> None:
    assert (
        classify(_raised(ModelError("x"), cause=aws_error("ThrottlingException"))).kind is FaultKind.THROTTLED
    )
    assert classify(_raised(ValueError("x"), cause=TimeoutError())).kind is FaultKind.TIMEOUT


def test_an_exception_that_causes_itself_ends() -> None:
    exc = ValueError()
    exc.__cause__ = exc
    assert classify(exc).kind is FaultKind.OTHER


def _raised(exc: Exception, *, cause: Exception) -> Exception:
    exc.__cause__ = cause
    return exc


def test_a_mistake_of_the_program_is_found_again() -> None:
    with pytest.raises(TypeError) as raised:
        raise TypeError(PROMPT)
    message = classify(raised.value).message
    assert "TypeError at" in message
    assert "test_faults.py:" in message
    assert PROMPT not in message


def soon(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def test_when_to_come_again_is_read_in_seconds_and_as_a_date() -> None:
    throttled = aws_error("ThrottlingException", headers={"retry-after": "7"})
    assert classify(throttled).retry_after_s == 7
    assert classify(StatusError(503, retry_after="2.5")).retry_after_s == 2.5
    assert classify(StatusError(503, retry_after=soon(100))).retry_after_s == pytest.approx(100, abs=2)
    assert classify(StatusError(503, retry_after=soon(-100))).retry_after_s == 0
    assert classify(OverloadedError("x", retry_after_s=4)).retry_after_s == 4
    assert classify(StatusError(503)).retry_after_s is None


@pytest.mark.parametrize("value", ["soon", "nan", "inf", "", "Wed, 99 Foo"])
def test_a_nonsensical_time_is_none(value: str) -> None:
    assert classify(aws_error("ThrottlingException", headers={"retry-after": value})).retry_after_s is None


@given(st.text())
def test_any_header_is_a_time_or_none(value: str) -> None:
    found = classify(aws_error("ThrottlingException", headers={"retry-after": value})).retry_after_s
    assert found is None or found >= 0


@given(st.dictionaries(st.text(), st.none() | st.text() | st.integers()) | st.none() | st.text(), st.text())
def test_any_response_is_classified(response: Any, code: str) -> None:
    exc = ValueError()
    exc.response = response  # type: ignore[attr-defined]
    exc.code = code  # type: ignore[attr-defined]
    assert classify(exc).kind in FaultKind


@pytest.mark.parametrize("value", [PROMPT, None, 5, {"Code": None}, {"Code": 5, "Message": 7}])
def test_an_odd_error_in_the_answer_is_classified(value: Any) -> None:
    exc = ValueError()
    exc.response = {"Error": value, "ResponseMetadata": value}  # type: ignore[attr-defined]
    assert classify(exc).kind is FaultKind.OTHER


PROMPT_IN_MESSAGE = [
    aws.ParamValidationError(report=PROMPT),
    aws_error("ValidationException", f"cannot read {PROMPT}"),
    StatusError(400),
    StatusError(500),
    OutputParserException(PROMPT),
    JSONDecodeError(PROMPT, PROMPT, 0),
]


@pytest.mark.parametrize("exc", PROMPT_IN_MESSAGE, ids=lambda each: type(each).__name__)
def test_nothing_that_was_asked_gets_into_logs(exc: Exception) -> None:
    fault = classify(exc)
    assert PROMPT not in fault.message
    assert PROMPT not in str(as_error(fault, "bedrock:x", exc))


def test_operators_are_told_what_to_do() -> None:
    denied = aws_error("AccessDeniedException", "You don't have access to the model", status=403)
    message = str(as_error(classify(denied), "bedrock:x", denied))
    assert "bedrock:x" in message
    assert "request access to the model in the Bedrock console" in message
    assert "bedrock:InvokeModelWithResponseStream" in message
    assert "You don't have access to the model" in message
    unknown = aws_error("ResourceNotFoundException")
    assert "AWS_REGION" in str(as_error(classify(unknown), "bedrock:x", unknown))


def error_for(exc: Exception) -> GroundworkError:
    return as_error(classify(exc), "bedrock:x", exc)


def test_throttling_and_quotas_say_when_to_come_again() -> None:
    throttled = error_for(aws_error("ThrottlingException", headers={"retry-after": "7"}))
    assert isinstance(throttled, ThrottledError)
    assert throttled.retry_after_s == 7
    quota = error_for(aws_error("ServiceQuotaExceededException"))
    assert isinstance(quota, ThrottledError)
    assert quota.retry_after_s == 60


def test_other_failures_are_the_models() -> None:
    assert type(error_for(TimeoutError())) is ModelError
    assert type(error_for(StatusError(500))) is ModelError
    assert type(error_for(StatusError(400, code="content_filter"))) is BlockedError


@pytest.mark.parametrize("exc", [BlockedError("x"), OverloadedError("x", retry_after_s=1), ModelError("x")])
def test_errors_of_ours_stay_what_they_are(exc: GroundworkError) -> None:
    assert error_for(exc) is exc


def test_what_is_wrong_with_a_request_never_counts_against_the_model() -> None:
    blameless = {FaultKind.INVALID, FaultKind.BLOCKED, FaultKind.OTHER, FaultKind.DENIED}
    blameless |= {FaultKind.CREDENTIALS, FaultKind.UNKNOWN_MODEL}
    assert {kind for kind in FaultKind if not kind.counts_against_model} == blameless
    assert {kind for kind in FaultKind if not kind.allows_fallback} == {FaultKind.BLOCKED}
    assert not any(kind.is_transient for kind in blameless | {FaultKind.QUOTA})


def test_a_fault_is_a_value() -> None:
    assert Fault(FaultKind.TIMEOUT) == Fault(FaultKind.TIMEOUT, None, "")
