"""Amazon Comprehend behind the port: it also finds names and postal addresses, in English and Spanish.

Texts are sent in parts of at most 100 KB of UTF-8 (DetectPiiEntities' limit), cut between paragraphs where
that is possible. Offsets of the answers count code points, as Python's do.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from rag.aws.clients import aws_client
from rag.errors import ModelError, UnavailableError
from rag.privacy.entities import EntityKind, Finding, PersonalDataDetector, without_overlaps

MAX_BYTES = 100_000
LANGUAGES = frozenset({"en", "es"})
READ_TIMEOUT = 20.0  # seconds; 100 KB take about one
_WINDOW = 2_000  # characters in front of a cut in which a better place for it is looked for
_BREAKS = ("\n\n", "\n", ". ", " ")  # where to cut, best first
_BUSY = frozenset({"ThrottlingException", "TooManyRequestsException", "ServiceUnavailable", "RequestTimeout"})

_UNREADABLE = "Amazon Comprehend's answer cannot be read"

_KINDS: Mapping[str, EntityKind] = {
    "EMAIL": EntityKind.EMAIL,
    "PHONE": EntityKind.PHONE,
    "CREDIT_DEBIT_NUMBER": EntityKind.CREDIT_CARD,
    "CREDIT_DEBIT_CVV": EntityKind.CARD_DETAIL,
    "CREDIT_DEBIT_EXPIRY": EntityKind.CARD_DETAIL,
    "INTERNATIONAL_BANK_ACCOUNT_NUMBER": EntityKind.IBAN,
    "BANK_ACCOUNT_NUMBER": EntityKind.BANK_ACCOUNT,
    "BANK_ROUTING": EntityKind.BANK_ACCOUNT,
    "SWIFT_CODE": EntityKind.BANK_ACCOUNT,
    "IP_ADDRESS": EntityKind.IP_ADDRESS,
    "MAC_ADDRESS": EntityKind.MAC_ADDRESS,
    "SSN": EntityKind.US_SSN,
    "US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER": EntityKind.NATIONAL_ID,
    "UK_NATIONAL_INSURANCE_NUMBER": EntityKind.NATIONAL_ID,
    "UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER": EntityKind.NATIONAL_ID,
    "CA_SOCIAL_INSURANCE_NUMBER": EntityKind.NATIONAL_ID,
    "IN_AADHAAR": EntityKind.NATIONAL_ID,
    "IN_PERMANENT_ACCOUNT_NUMBER": EntityKind.NATIONAL_ID,
    "IN_NREGA": EntityKind.NATIONAL_ID,
    "IN_VOTER_NUMBER": EntityKind.NATIONAL_ID,
    "UK_NATIONAL_HEALTH_SERVICE_NUMBER": EntityKind.HEALTH_NUMBER,
    "CA_HEALTH_NUMBER": EntityKind.HEALTH_NUMBER,
    "PASSPORT_NUMBER": EntityKind.PASSPORT,
    "DRIVER_ID": EntityKind.DRIVING_LICENCE,
    "LICENSE_PLATE": EntityKind.VEHICLE,
    "VEHICLE_IDENTIFICATION_NUMBER": EntityKind.VEHICLE,
    "URL": EntityKind.DOMAIN,
    "NAME": EntityKind.PERSON,
    "ADDRESS": EntityKind.ADDRESS,
    "DATE_TIME": EntityKind.DATE,
    "AGE": EntityKind.AGE,
    "USERNAME": EntityKind.USERNAME,
    "PASSWORD": EntityKind.CREDENTIAL,
    "PIN": EntityKind.CREDENTIAL,
    "AWS_ACCESS_KEY": EntityKind.CREDENTIAL,
    "AWS_SECRET_KEY": EntityKind.CREDENTIAL,
}


class ComprehendClient(Protocol):
    """The one call of boto3's client that is made."""

    def detect_pii_entities(self, *, Text: str, LanguageCode: str) -> Mapping[str, Any]: ...  # noqa: N803


class ComprehendDetector:
    """Asks Amazon Comprehend; blocks, so call it in a thread.

    Args:
        client: boto3's, which must not retry by itself; `load_comprehend` makes one.
        local: Looks through texts in languages that Comprehend doesn't read.
    """

    def __init__(self, client: ComprehendClient, *, local: PersonalDataDetector) -> None:
        self._client = client
        self._local = local

    def detect(self, text: str, language: str | None) -> list[Finding]:
        """What Comprehend finds; a text of unknown language is read as English.

        Raises:
            UnavailableError: Comprehend cannot be reached, is throttled or broken now.
            ModelError: It refused the call, or its answer makes no sense.
        """
        if language is not None and language not in LANGUAGES:
            return self._local.detect(text, language)
        found = [
            Finding(kind, start + begin, start + end, score)
            for start, part in split_text(text)
            for kind, begin, end, score in self._ask(part, language or "en")
        ]
        return without_overlaps(found)

    def _ask(self, part: str, language: str) -> list[tuple[EntityKind, int, int, float]]:
        if not part.strip():
            return []
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as in load_comprehend

        try:
            answer = self._client.detect_pii_entities(Text=part, LanguageCode=language)
        except ClientError as exc:
            raise _translated(exc.response) from exc
        except BotoCoreError as exc:
            raise UnavailableError("Amazon Comprehend cannot be reached now") from exc
        entities = answer.get("Entities")
        if entities is None:  # what botocore makes of a body that isn't JSON; it is not "nothing found"
            raise ModelError(_UNREADABLE)
        return [_entity(entity, len(part)) for entity in entities]


def load_comprehend(*, local: PersonalDataDetector, read_timeout: float = READ_TIMEOUT) -> ComprehendDetector:
    """The detector with AWS's usual settings: region and credentials of the environment, `AWS_ENDPOINT_URL`.

    A call that fails is not repeated, and one that hangs for `read_timeout` seconds is given up.

    Raises:
        InvalidInputError: There is no AWS region, or a profile that doesn't exist.
    """
    client = aws_client("comprehend", needed_by="Amazon Comprehend", read_timeout_s=read_timeout)
    return ComprehendDetector(client, local=local)


def split_text(text: str, *, max_bytes: int = MAX_BYTES) -> Iterator[tuple[int, str]]:
    """Parts of at most `max_bytes` in UTF-8 that make up the text, each with where it starts."""
    start = 0
    while start < len(text):
        end = _reach(text, start, max_bytes)
        if end < len(text):
            end = _good_cut(text, start, end)
        yield start, text[start:end]
        start = end


def _reach(text: str, start: int, max_bytes: int) -> int:
    """One past the last character that still fits, at least one."""
    part = text[start : start + max_bytes]
    if part.isascii():
        return start + len(part)
    # Cutting inside a character loses only that character.
    fitting = part.encode("utf-8", "replace")[:max_bytes].decode("utf-8", "ignore")
    return start + max(1, len(fitting))


def _good_cut(text: str, start: int, end: int) -> int:
    """A place in front of `end` where no name or address is likely to be cut, if there is one."""
    lowest = max(start + 1, end - _WINDOW)
    for sign in _BREAKS:
        at = text.rfind(sign, lowest, end)
        if at >= 0:
            return at + len(sign)
    return end


def _entity(entity: Mapping[str, Any], length: int) -> tuple[EntityKind, int, int, float]:
    try:
        start, end, score = int(entity["BeginOffset"]), int(entity["EndOffset"]), float(entity["Score"])
        kind = _KINDS.get(entity["Type"], EntityKind.OTHER)
    except (KeyError, TypeError, ValueError) as exc:
        raise ModelError(_UNREADABLE) from exc
    if not 0 <= start < end <= length:
        raise ModelError("Amazon Comprehend's answer does not fit the text")
    return kind, start, end, score


def _translated(response: Mapping[str, Any]) -> ModelError | UnavailableError:
    code = response.get("Error", {}).get("Code", "")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _BUSY or status >= 500:  # noqa: PLR2004 - the server's fault
        return UnavailableError("Amazon Comprehend cannot answer now")
    return ModelError(f"Amazon Comprehend refused the call: {code or 'no reason given'}")
