"""What Amazon Textract and its SDK report, in Groundwork's own errors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rag.errors import (
    GroundworkError,
    InvalidInputError,
    ThrottledError,
    UnavailableError,
    UnreadableFileError,
)

RETRY_AFTER_S = 30.0
_THROTTLED = frozenset(
    {"ThrottlingException", "ProvisionedThroughputExceededException", "LimitExceededException"}
)
_REFUSED = frozenset(
    "UnsupportedDocumentException BadDocumentException DocumentTooLargeException "  # noqa: SIM905
    "InvalidParameterException ValidationException".split()
)
_DENIED = frozenset({"AccessDeniedException", "AccessDenied", "SubscriptionRequiredException"})


@contextmanager
def textract_errors() -> Iterator[None]:
    """Translate what boto3 raises inside.

    Raises:
        ThrottledError: Textract asks for fewer calls.
        UnavailableError: It can't be reached, is broken now, or doesn't take the credentials.
        InvalidInputError: The credentials may not use it.
        UnreadableFileError: It doesn't take the page.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - a second that few need
    from botocore.parsers import ResponseParserError  # noqa: PLC0415

    try:
        yield
    except ClientError as exc:
        raise _translated(exc.response) from exc
    except (BotoCoreError, ResponseParserError) as exc:
        raise UnavailableError("Amazon Textract can't be reached, or its answer can't be read") from exc


def _translated(response: Mapping[str, Any]) -> GroundworkError:
    code = str(response.get("Error", {}).get("Code", ""))
    if code in _THROTTLED:
        return ThrottledError("Amazon Textract's quota of calls is used up", retry_after_s=RETRY_AFTER_S)
    if code in _DENIED:
        return InvalidInputError(
            "the service's AWS credentials may not use Amazon Textract: they need textract:AnalyzeDocument"
        )
    if code in _REFUSED:
        return UnreadableFileError(f"Amazon Textract doesn't take a page of the file ({code})")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return UnavailableError(f"Amazon Textract can't answer now ({code or status})")
