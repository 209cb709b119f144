"""What S3 and its SDK report, in Groundwork's own errors."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rag.aws.clients import aws_region
from rag.errors import GroundworkError, InvalidInputError, NotFoundError, UnavailableError

_NOT_FOUND = frozenset({"NoSuchBucket", "NotFound", "404"})
_NO_OBJECT = frozenset({"NoSuchKey", "NoSuchVersion"})
_DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "Forbidden", "403"})
_CREDENTIALS = frozenset(
    "InvalidAccessKeyId SignatureDoesNotMatch ExpiredToken InvalidToken TokenRefreshRequired "  # noqa: SIM905
    "RequestTimeTooSkewed AuthorizationHeaderMalformed".split()
)
_BUSY = frozenset(
    "SlowDown Throttling ThrottlingException RequestLimitExceeded TooManyRequests RequestTimeout "  # noqa: SIM905
    "ServiceUnavailable InternalError 429 500 502 503 504".split()
)
_MALFORMED = frozenset({"InvalidBucketName", "KeyTooLongError", "InvalidArgument", "InvalidURI"})
_ELSEWHERE = frozenset(
    "PermanentRedirect 301 AuthorizationHeaderMalformed IllegalLocationConstraintException".split()  # noqa: SIM905
)
_SERVER_FAILED = 500


class NoSuchObjectError(NotFoundError):
    """The bucket is there and says that it holds no such object."""


@contextmanager
def aws_errors(what: str) -> Iterator[None]:
    """Translate what boto3 raises inside; `what` names the thing that was asked for.

    Raises:
        NotFoundError: There is no such bucket or object; NoSuchObjectError if it is surely the object.
        InvalidInputError: It may not be read, is archived, or its name can't be one.
        UnavailableError: S3 can't be reached, is busy, or doesn't take the credentials; or what it sent isn't
            what it stores.
    """
    from botocore.exceptions import (  # noqa: PLC0415 - a second that only those pay who use it
        BotoCoreError,
        ClientError,
        FlexibleChecksumError,
        NoCredentialsError,
        ParamValidationError,
        PartialCredentialsError,
    )

    try:
        yield
    except ClientError as exc:
        raise _translated(exc.response, what) from exc
    except (NoCredentialsError, PartialCredentialsError) as exc:
        raise UnavailableError(f"{what} can't be read: there are no AWS credentials") from exc
    except ParamValidationError as exc:
        raise InvalidInputError(f"{what} is not valid: {_first_line(exc)}") from exc
    except FlexibleChecksumError as exc:
        raise UnavailableError(f"{what} changed while it was read, or was damaged on the way") from exc
    except BotoCoreError as exc:
        raise UnavailableError(f"{what} can't be read: S3 can't be reached, or stopped answering") from exc


def _translated(response: Mapping[str, Any], what: str) -> GroundworkError:
    code = str(response.get("Error", {}).get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    region = _region_of_bucket(response) if code in _ELSEWHERE else None
    kinds: list[tuple[bool, Callable[[str], GroundworkError], str]] = [
        (
            region is not None,
            InvalidInputError,
            f"{what} is in the region {region}, but AWS_REGION is {aws_region()}",
        ),
        (code == "NoSuchBucket", NotFoundError, f"there is no bucket for {what}"),
        (code in _NO_OBJECT, NoSuchObjectError, f"there is no {what}"),
        (code in _NOT_FOUND, NotFoundError, f"there is no {what}"),
        (code in _DENIED, InvalidInputError, f"{what} may not be read with the service's AWS credentials"),
        (code in _CREDENTIALS, UnavailableError, f"{what} can't be read: AWS refuses the credentials"),
        (code == "InvalidObjectState", InvalidInputError, f"{what} is archived: restore it first"),
        (code in _MALFORMED, InvalidInputError, f"{what} is not a valid name in S3"),
        (code in _BUSY or status >= _SERVER_FAILED, UnavailableError, f"S3 is too busy for {what}"),
    ]
    for matches, error, message in kinds:
        if matches:
            return error(message)
    return UnavailableError(f"{what} can't be read: S3 answers {code or status}")


def _region_of_bucket(response: Mapping[str, Any]) -> str | None:
    """What S3 says when it was asked in the wrong region, if boto3 couldn't follow."""
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = headers.get("x-amz-bucket-region") or response.get("Error", {}).get("Region")
    return str(region) if region else None


def _first_line(exc: Exception) -> str:
    return str(exc).partition("\n")[0]
