"""The kinds of failures, and by which codes, class names and statuses they are known."""

from collections.abc import Mapping
from enum import StrEnum


class FaultKind(StrEnum):
    """What a failed call asks for: another try, another model, or an operator."""

    THROTTLED = "throttled"  # too many requests a minute
    TOKENS_THROTTLED = "tokens_throttled"  # too many tokens a minute
    TIMEOUT = "timeout"
    NOT_READY = "not_ready"  # the model is being loaded
    UNAVAILABLE = "unavailable"  # the provider's own failure
    CONNECTION = "connection"  # refused, reset, or cut in the middle of an answer
    MALFORMED = "malformed"  # there is an answer, but it can't be read
    INVALID = "invalid"  # the request doesn't suit the model: too long, an unknown parameter
    DENIED = "denied"
    CREDENTIALS = "credentials"
    UNKNOWN_MODEL = "unknown_model"
    QUOTA = "quota"  # used up for longer than a request can wait
    BLOCKED = "blocked"  # by a guardrail
    OTHER = "other"

    @property
    def is_transient(self) -> bool:
        """The same call may work in a moment."""
        return self in _TRANSIENT

    @property
    def counts_against_model(self) -> bool:
        """It shows that the model is in trouble, whatever was asked of it: a circuit breaker counts it."""
        return self.is_transient or self is FaultKind.QUOTA

    @property
    def allows_fallback(self) -> bool:
        """Another model may be asked. What a guardrail refuses must not be tried elsewhere."""
        return self is not FaultKind.BLOCKED


_TRANSIENT = frozenset(
    {
        FaultKind.THROTTLED,
        FaultKind.TOKENS_THROTTLED,
        FaultKind.TIMEOUT,
        FaultKind.NOT_READY,
        FaultKind.UNAVAILABLE,
        FaultKind.CONNECTION,
        FaultKind.MALFORMED,
    }
)


def _by_name(names: Mapping[FaultKind, str]) -> dict[str, FaultKind]:
    return {name: kind for kind, listed in names.items() for name in listed.split()}


# Without the "Exception" or "Error" at their end, in lower case: event streams write throttlingException.
KIND_BY_CODE = _by_name(
    {
        FaultKind.THROTTLED: "throttling throttled requestthrottled toomanyrequests requestlimitexceeded "
        "slowdown rate_limit_exceeded",
        FaultKind.TIMEOUT: "modeltimeout requesttimeout",
        FaultKind.NOT_READY: "modelnotready",
        FaultKind.UNAVAILABLE: "serviceunavailable internalserver internalfailure internal modelerror "
        "modelstreamerror dependencyfailed badgateway",
        FaultKind.INVALID: "validation context_length_exceeded",
        FaultKind.DENIED: "accessdenied unauthorizedoperation notauthorized optinrequired",
        FaultKind.CREDENTIALS: "expiredtoken invalidclienttokenid invalidsignature signaturedoesnotmatch "
        "incompletesignature missingauthenticationtoken unrecognizedclient requestexpired "
        "invalidaccesskeyid authfailure requesttimetooskewed invalid_api_key",
        FaultKind.UNKNOWN_MODEL: "resourcenotfound model_not_found",
        FaultKind.QUOTA: "servicequotaexceeded limitexceeded insufficient_quota",
        FaultKind.BLOCKED: "content_filter",
    }
)
# Of botocore, urllib3, httpx, LangChain, and the libraries that OpenAI's generator writes; of Python itself.
KIND_BY_CLASS = _by_name(
    {
        FaultKind.THROTTLED: "ModelRateLimitError",
        FaultKind.TIMEOUT: "TimeoutError ReadTimeoutError ConnectTimeoutError TimeoutException "
        "APITimeoutError ModelTimeoutError",
        FaultKind.UNAVAILABLE: "ModelAPIError",
        FaultKind.CONNECTION: "HTTPClientError ProtocolError IncompleteRead IncompleteReadError "
        "TransportError APIConnectionError ModelConnectionError ConnectionError NetworkError OSError",
        FaultKind.MALFORMED: "ResponseParserError ParserError DecodingError APIResponseValidationError "
        "OutputParserException JSONDecodeError UnicodeDecodeError EOFError LookupError",
        FaultKind.INVALID: "ParamValidationError ContextOverflowError ModelInvalidRequestError",
        FaultKind.DENIED: "ModelPermissionDeniedError",
        FaultKind.CREDENTIALS: "NoCredentialsError PartialCredentialsError CredentialRetrievalError "
        "NoAuthTokenError TokenRetrievalError SSOError LoginError ModelAuthenticationError",
        FaultKind.UNKNOWN_MODEL: "ModelNotFoundError",
    }
)
KIND_BY_STATUS = {
    400: FaultKind.INVALID,
    401: FaultKind.CREDENTIALS,
    403: FaultKind.DENIED,
    404: FaultKind.UNKNOWN_MODEL,
    408: FaultKind.TIMEOUT,
    413: FaultKind.INVALID,
    422: FaultKind.INVALID,
    424: FaultKind.UNAVAILABLE,
    429: FaultKind.THROTTLED,
}
# One code stands for several troubles; Bedrock's messages tell them apart.
REFINEMENTS = (
    (FaultKind.THROTTLED, "per day", FaultKind.QUOTA),
    (FaultKind.THROTTLED, "token", FaultKind.TOKENS_THROTTLED),
    (FaultKind.INVALID, "model identifier is invalid", FaultKind.UNKNOWN_MODEL),
    (FaultKind.INVALID, "on-demand throughput isn", FaultKind.UNKNOWN_MODEL),  # needs an inference profile
    (FaultKind.INVALID, "operation not allowed", FaultKind.DENIED),
)
