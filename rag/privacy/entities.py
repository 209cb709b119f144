"""What counts as personal data, a place where it was found, and the port of what finds it."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class EntityKind(StrEnum):
    """Kinds of personal data. The first eight are found locally, the others only by Amazon Comprehend."""

    EMAIL = "email"
    PHONE = "phone"
    CREDIT_CARD = "credit_card"
    IBAN = "iban"
    IP_ADDRESS = "ip_address"
    US_SSN = "us_ssn"
    NATIONAL_ID = "national_id"
    DOMAIN = "domain"  # a URL or a domain name
    PERSON = "person"
    ADDRESS = "address"
    DATE = "date"
    AGE = "age"
    BANK_ACCOUNT = "bank_account"
    CARD_DETAIL = "card_detail"  # a card's security code or expiry date
    PASSPORT = "passport"
    DRIVING_LICENCE = "driving_licence"
    HEALTH_NUMBER = "health_number"
    VEHICLE = "vehicle"  # a number plate or a chassis number
    MAC_ADDRESS = "mac_address"
    USERNAME = "username"
    CREDENTIAL = "credential"  # a password, PIN or access key
    OTHER = "other"


LIKELY = 0.5  # the least score of a local finding: more speaks for it than against

# What is acted on unless a tenant says otherwise. Web addresses are mostly public, and Comprehend marks every
# date, not only birthdays: without them a manual would be hard to read and no one would be safer.
DEFAULT_KINDS = frozenset(EntityKind) - {EntityKind.DOMAIN, EntityKind.DATE}


@dataclass(frozen=True, slots=True)
class Finding:
    """Personal data at the characters `[start, end)` of the text.

    Attributes:
        kind: What it is.
        start: Its first character.
        end: One past its last character.
        score: How certain it is, from 0 to 1.
    """

    kind: EntityKind
    start: int
    end: int
    score: float


class PersonalDataDetector(Protocol):
    """Finds personal data in a text."""

    def detect(self, text: str, language: str | None) -> list[Finding]:
        """What was found, in text order and without overlaps.

        Args:
            text: What to look through.
            language: ISO 639-1 code of its language; None if unknown.

        Raises:
            UnavailableError: The detector is a service that cannot be reached now.
            ModelError: The service answered with an error.
        """
        ...


def without_overlaps(findings: Iterable[Finding]) -> list[Finding]:
    """In text order; of those that overlap the most certain stays, of equally certain ones the longest."""
    kept: list[Finding] = []
    for finding in sorted(findings, key=_claim):
        at = bisect_left(kept, finding.start, key=_start)
        free_before = at == 0 or kept[at - 1].end <= finding.start
        if free_before and (at == len(kept) or finding.end <= kept[at].start):
            kept.insert(at, finding)
    return kept


def _claim(finding: Finding) -> tuple[float, int, int]:
    return (-finding.score, finding.start - finding.end, finding.start)


def _start(finding: Finding) -> int:
    return finding.start
