"""Sealed texts: AES-256-GCM under a tenant's data key, bound to the place where they are stored.

A sealed text stands where the text itself would: `gwenc1:<key version>:<base64 of nonce and ciphertext>`. A
text that is stored as it is but looks like a sealed one gets `gwenc0:` in front.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rag.encryption.wrapping import NONCE_BYTES
from rag.errors import UnavailableError

_MARK, _PLAIN = "gwenc", "gwenc0:"
SEALED = "gwenc1:"
_SEALED = re.compile(rf"{SEALED}(\d{{1,9}}):([A-Za-z0-9+/=]+)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text is stored. A sealed text opens at its own place alone."""

    table: str
    column: str
    row_id: str


@dataclass(frozen=True, slots=True)
class Keyring:
    """A tenant's data keys by version. `current` seals; without one, texts are stored as they are."""

    tenant_id: UUID
    keys: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    current: int | None = None

    def seal(self, place: Place, text: str | None) -> str | None:
        """What to store of the text; None stays None."""
        if text is None:
            return None
        if self.current is None:
            return _PLAIN + text if text.startswith(_MARK) else text
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = AESGCM(self.keys[self.current]).encrypt(nonce, text.encode(), self._bound_to(place))
        return f"{SEALED}{self.current}:{base64.b64encode(nonce + sealed).decode()}"

    def unseal(self, place: Place, stored: str | None) -> str | None:
        """The text that was stored there.

        Raises:
            UnavailableError: Its key is not on the ring, or it was changed or moved here from another place.
        """
        if stored is None or not stored.startswith(_MARK):
            return stored
        if stored.startswith(_PLAIN):
            return stored.removeprefix(_PLAIN)
        where = f"{place.table}.{place.column} of {place.row_id}"
        match = _SEALED.fullmatch(stored)
        if match is None or int(match[1]) not in self.keys:
            raise UnavailableError(f"there is no key for {where}")
        try:
            data = base64.b64decode(match[2], validate=True)
            key = AESGCM(self.keys[int(match[1])])
            return key.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], self._bound_to(place)).decode()
        except (InvalidTag, ValueError, binascii.Error) as exc:
            raise UnavailableError(f"{where} was changed, or belongs somewhere else") from exc

    def _bound_to(self, place: Place) -> bytes:
        return "\n".join((str(self.tenant_id), place.table, place.column, place.row_id)).encode()


def versions_of(stored: Iterable[str | None]) -> set[int]:
    """The versions of the keys that sealed these."""
    matches = (_SEALED.fullmatch(text) for text in stored if text)
    return {int(match[1]) for match in matches if match}
