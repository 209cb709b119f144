"""The local detector: patterns, check digits and the words around. No model, nothing leaves the machine."""

from collections.abc import Iterator

from rag.privacy.accounts import find_ibans, find_social_security_numbers
from rag.privacy.addresses import find_emails, find_ip_addresses
from rag.privacy.cards import find_cards
from rag.privacy.context import Context, normalise
from rag.privacy.domains import find_domains
from rag.privacy.entities import LIKELY, Finding, without_overlaps
from rag.privacy.national_ids import find_national_ids
from rag.privacy.phones import find_phones


class LocalDetector:
    """Finds what has a form of its own: addresses, numbers of phones, cards, accounts and people.

    Names of people and places have none; Amazon Comprehend finds those.
    """

    def detect(self, text: str, language: str | None) -> list[Finding]:
        """What was found, in text order and without overlaps; a URL ends where personal data in it begins."""
        plain = normalise(text)
        context = Context(plain)
        likely = (found for found in _private(plain, language, context) if found.score >= LIKELY)
        kept = without_overlaps(likely)
        domains = (found for found in find_domains(plain, kept, context) if found.score >= LIKELY)
        return sorted([*kept, *domains], key=lambda found: found.start)


def _private(text: str, language: str | None, context: Context) -> Iterator[Finding]:
    yield from find_emails(text)
    yield from find_ip_addresses(text, context)
    yield from find_ibans(text)
    yield from find_cards(text, context)
    yield from find_social_security_numbers(text, context)
    yield from find_national_ids(text, context)
    yield from find_phones(text, language, context)
