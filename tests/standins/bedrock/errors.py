"""How Bedrock refuses: status, code and message as AWS words them."""


class ApiError(Exception):
    """An answer that botocore raises as a ClientError.

    Attributes:
        status: Of HTTP.
        code: botocore's name of the error.
        headers: More of the answer.
        malformed: Whether the request itself was wrong, whatever its model or account.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: dict[str, str] | None = None,
        malformed: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}
        self.malformed = malformed


def invalid(message: str) -> ApiError:
    """What is sent to a caller whose request can't be right."""
    return ApiError(400, "ValidationException", message, malformed=True)


def refused(message: str) -> ApiError:
    """The request is well formed, but not for this model, account or region."""
    return ApiError(400, "ValidationException", message)


def malformed_body(what: str) -> ApiError:
    return invalid(f"Malformed input request: {what}, please reformat your input and try again.")


THROTTLED = ApiError(429, "ThrottlingException", "Too many requests, please wait before trying again.")
TOO_MANY_TOKENS = ApiError(429, "ThrottlingException", "Too many tokens, please wait before trying again.")
QUOTA = ApiError(
    400, "ServiceQuotaExceededException", "Your request exceeds the service quota for your account."
)
NOT_READY = ApiError(
    429, "ModelNotReadyException", "Model is not ready for inference. Please try again later."
)
MODEL_TIMEOUT = ApiError(
    408, "ModelTimeoutException", "The request took too long to process. Processing time exceeded the limit."
)
SERVER_ERROR = ApiError(
    500,
    "InternalServerException",
    "The system encountered an unexpected error during processing. Try your request again.",
)
UNAVAILABLE = ApiError(503, "ServiceUnavailableException", "Bedrock is unable to process your request.")
MODEL_ERROR = ApiError(
    424, "ModelErrorException", "The model returned the following errors: an error while processing."
)
NO_CREDENTIALS = ApiError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
EXPIRED = ApiError(403, "ExpiredTokenException", "The security token included in the request is expired")
NOT_ENABLED = ApiError(
    403, "UnrecognizedClientException", "The security token included in the request is invalid."
)
NOT_OFFERED = ApiError(
    404,
    "ResourceNotFoundException",
    "Could not resolve the foundation model from the provided model identifier.",
)
DENIED = ApiError(
    403, "AccessDeniedException", "You don't have access to the model with the specified model ID."
)
UNKNOWN_MODEL = refused("The provided model identifier is invalid.")
NOT_A_CHAT_MODEL = refused(
    "This action doesn't support the model that you provided. Try again with a supported text or chat model."
)
