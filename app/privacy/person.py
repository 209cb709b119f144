"""Who is asked about: a subject, or a user whom API keys named."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self
from uuid import UUID

DISTINCTIVE = 16  # characters from which a name is looked for inside longer texts: shorter ones are words
_KEYS_USER = re.compile(r"key:[0-9a-f-]{36}:(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whose data is exported or erased.

    Attributes:
        subject: As it stands with traces: an OIDC `sub`, `key:<id>[:<user_id>]`, `anonymous:<conversation>`.
        across_keys: `subject` is the bare `user_id` instead, under whichever key it was named.
    """

    subject: str
    across_keys: bool = False

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Self:
        return cls(payload["subject"], payload["across_keys"])

    @property
    def user_of_key(self) -> "Person | None":
        """If the subject is a user whom a key named: that user, across keys."""
        match = _KEYS_USER.fullmatch(self.subject)
        return None if match is None or self.across_keys else Person(match[1], across_keys=True)

    @property
    def payload(self) -> dict[str, Any]:
        """As it stands in the queue."""
        return asdict(self)

    def digest(self, tenant_id: UUID) -> str:
        """What stands for the person where their name must not."""
        kind = "user" if self.across_keys else "subject"
        return hashlib.sha256(f"{tenant_id}\n{kind}\n{self.subject}".encode()).hexdigest()


def digests(tenant_id: UUID, subject: str | None, user_id: str | None) -> list[str]:
    """What an erasure of whoever asks would be noted under."""
    people = []
    if subject is not None:
        people.append(Person(subject))
    if user_id is not None:
        people.append(Person(user_id, across_keys=True))
    return [person.digest(tenant_id) for person in people]
