"""References to secrets that AWS keeps, written where the secret itself could stand.

Amazon ECS's notation ("Pass sensitive data to an Amazon ECS container"), and a short one for each service:

    arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-XXXXXX[:JSON-KEY[:VERSION-STAGE[:VERSION-ID]]]
    arn:aws:ssm:REGION:ACCOUNT:parameter/PATH
    secretsmanager:NAME[#JSON-KEY]
    ssm:/PATH

Messages name references, never what they stand for.
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from rag.aws.clients import aws_client
from rag.errors import GroundworkError, InvalidInputError, UnavailableError

READ_TIMEOUT_S = 5.0  # an answer takes some 20 ms
_REFERENCE = re.compile(r"arn:aws[a-z-]*:(secretsmanager|ssm):|secretsmanager:|ssm:/")
_SECRET = re.compile(
    r"(?P<id>arn:aws[a-z-]*:secretsmanager:(?P<region>[a-z0-9-]+):\d+:secret:[\w/+=.@!-]+)"
    r"(:(?P<key>[^:]*)(:(?P<stage>[^:]*)(:(?P<version>[^:]*))?)?)?"
)
_SHORT_SECRET = re.compile(r"secretsmanager:(?P<id>[\w/+=.@-]+)(#(?P<key>.+))?")
_PARAMETER = re.compile(r"(?P<id>arn:aws[a-z-]*:ssm:(?P<region>[a-z0-9-]+):\d+:parameter/[\w/.:-]+)")
_SHORT_PARAMETER = re.compile(r"ssm:(?P<id>/[\w/.:-]+)")

_MISSING = frozenset({"ResourceNotFoundException", "ParameterNotFound", "ParameterVersionNotFound"})
_DENIED = frozenset({"AccessDeniedException", "AccessDenied", "DecryptionFailure", "InvalidKeyId"})
_SERVER_FAILED = 500


@dataclass(frozen=True, slots=True)
class Place:
    """What one call fetches. Without a region, the one that is set is meant."""

    service: Literal["secretsmanager", "ssm"]
    id: str
    region: str | None = None
    stage: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """A place, and a key of the JSON object that is kept there; None stands for all of it."""

    place: Place
    key: str | None = None


def is_reference(text: str) -> bool:
    return _REFERENCE.match(text) is not None


def parse_reference(text: str) -> Reference:
    """Raises: InvalidInputError, without the text: it may be a secret that looks like a reference."""
    for service, pattern in (
        ("secretsmanager", _SECRET),
        ("secretsmanager", _SHORT_SECRET),
        ("ssm", _PARAMETER),
        ("ssm", _SHORT_PARAMETER),
    ):
        if match := pattern.fullmatch(text):
            found = {name: value or None for name, value in match.groupdict().items()}
            key = found.pop("key", None)
            return Reference(Place(service, **found), key)  # type: ignore[arg-type]  # `id` always matches
    raise InvalidInputError(
        "looks like a reference to a secret, but isn't one: "
        "arn:aws:secretsmanager:…, arn:aws:ssm:…, secretsmanager:NAME[#JSON-KEY] or ssm:/PATH"
    )


@dataclass(frozen=True, slots=True)
class SecretValues:
    """What was read, and why not the rest, by setting.

    Each error is an InvalidInputError, of a reference that is malformed, names nothing or may not be read, or
    an UnavailableError, when AWS can't be reached or is busy.
    """

    values: Mapping[str, str] = field(repr=False)
    errors: Mapping[str, GroundworkError]


class SecretReader:
    """Fetches what references stand for. Blocks, and never repeats a call. boto3 loads with the first one."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str | None], Any] = {}

    def read(self, references: Mapping[str, str]) -> SecretValues:
        """What references stand for, by the settings that hold them. Each secret is fetched once.

        So the keys of one secret always fit together, although it may be changed meanwhile.
        """
        fetched: dict[Place, str | GroundworkError] = {}
        values: dict[str, str] = {}
        errors: dict[str, GroundworkError] = {}
        for setting, text in references.items():
            what = f"{setting} ({text})"
            try:
                reference = _parsed(setting, text)
                kept = self._fetch_once(reference.place, what, fetched)
                values[setting] = _chosen(kept, reference.key, what)
            except GroundworkError as exc:
                errors[setting] = exc
        return SecretValues(values, errors)

    def _fetch_once(self, place: Place, what: str, fetched: dict[Place, str | GroundworkError]) -> str:
        if place not in fetched:
            try:
                fetched[place] = self._fetch(place, what)
            except GroundworkError as exc:
                fetched[place] = exc
        found = fetched[place]
        if isinstance(found, GroundworkError):
            raise found
        return found

    def _fetch(self, place: Place, what: str) -> str:
        client = self._client(place, what)
        with _aws_errors(what, client.meta.region_name):
            if place.service == "ssm":
                answer = client.get_parameter(Name=place.id, WithDecryption=True)
                text = answer.get("Parameter", {}).get("Value")
            else:
                which = {"VersionStage": place.stage, "VersionId": place.version}
                given = {name: value for name, value in which.items() if value}
                text = client.get_secret_value(SecretId=place.id, **given).get("SecretString")
        if text is None:
            raise InvalidInputError(f"{what} holds no text; a binary secret can't be used")
        return str(text).strip()  # a file that it was made from ends in a line break

    def _client(self, place: Place, what: str) -> Any:
        key = place.service, place.region
        if key not in self._clients:
            # It would log every answer at DEBUG, and with it the secret.
            logging.getLogger("botocore.parsers").setLevel(logging.INFO)
            self._clients[key] = aws_client(
                place.service, needed_by=what, region=place.region, read_timeout_s=READ_TIMEOUT_S
            )
        return self._clients[key]


def _chosen(value: str, key: str | None, what: str) -> str:
    if key is None:
        return value
    try:
        found = json.loads(value)[key]
    except (ValueError, TypeError, KeyError, RecursionError):
        # The cause stays out of the traceback: it carries the secret along.
        raise InvalidInputError(f"{what}: the secret is not a JSON object with that key") from None
    return found if isinstance(found, str) else json.dumps(found)


def _parsed(setting: str, text: str) -> Reference:
    try:
        return parse_reference(text)
    except InvalidInputError as exc:
        raise InvalidInputError(f"{setting} {exc}") from None


@contextmanager
def _aws_errors(what: str, region: str) -> Iterator[None]:
    from botocore.exceptions import (  # noqa: PLC0415 - a second that only those pay who use it
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        PartialCredentialsError,
    )

    try:
        yield
    except ClientError as exc:
        raise _translated(exc.response, what, region) from exc
    except (NoCredentialsError, PartialCredentialsError) as exc:
        raise InvalidInputError(f"{what} can't be read: there are no AWS credentials") from exc
    except BotoCoreError as exc:
        raise UnavailableError(f"{what} can't be read: AWS can't be reached in {region}") from exc


def _translated(response: Mapping[str, Any], what: str, region: str) -> GroundworkError:
    code = str(response.get("Error", {}).get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _MISSING:
        return InvalidInputError(f"{what} does not exist in {region}")
    if code in _DENIED:
        return InvalidInputError(f"{what} may not be read with the service's AWS credentials: {code}")
    if status >= _SERVER_FAILED or code.startswith(("Throttling", "TooManyRequests")):
        return UnavailableError(f"{what} can't be read: AWS is too busy")
    return InvalidInputError(f"{what} can't be read: AWS answers {code or status}")
