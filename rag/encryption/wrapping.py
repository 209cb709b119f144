"""Data keys, and what wraps them so that they can be stored."""

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rag.errors import InvalidInputError, UnavailableError

KEY_BYTES = 32  # AES-256
NONCE_BYTES = 12  # NIST SP 800-38D, 8.2: 96 bits


class Wrapping(StrEnum):
    """What a data key was wrapped with."""

    LOCAL = "local"
    KMS = "kms"


@dataclass(frozen=True, slots=True)
class NewDataKey:
    """A key, and the same key wrapped, which is what may be stored."""

    key: bytes = field(repr=False)
    wrapped: bytes = field(repr=False)


class KeyWrapper(Protocol):
    """Makes data keys and unwraps them. Each call raises UnavailableError when it can't be done now."""

    async def new_key(self, context: Mapping[str, str]) -> NewDataKey:
        """A random key, wrapped so that only the same `context` unwraps it."""
        ...

    async def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """The key that was wrapped."""
        ...


class LocalKeyWrapper:
    """`KeyWrapper` by keys of the service's own: the first one wraps, each unwraps."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self._keys = tuple(AESGCM(key) for key in keys)

    async def new_key(self, context: Mapping[str, str]) -> NewDataKey:
        key, nonce = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(NONCE_BYTES)
        return NewDataKey(key, nonce + self._keys[0].encrypt(nonce, key, _bound_to(context)))

    async def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        for key in self._keys:
            try:
                return key.decrypt(nonce, sealed, _bound_to(context))
            except (InvalidTag, ValueError):
                continue
        raise UnavailableError("no key of FIELD_ENCRYPTION_KEY unwraps the tenant's data key")


def parse_keys(text: str) -> tuple[bytes, ...]:
    """Keys of 32 bytes in base64, separated by commas.

    Raises:
        InvalidInputError: One is something else; the message doesn't quote it.
    """
    try:
        keys = tuple(base64.b64decode(part.strip(), validate=True) for part in text.split(","))
    except (binascii.Error, ValueError):
        raise InvalidInputError("FIELD_ENCRYPTION_KEY is not base64") from None
    if any(len(key) != KEY_BYTES for key in keys):
        raise InvalidInputError(f"FIELD_ENCRYPTION_KEY must hold {KEY_BYTES} bytes in base64")
    return keys


def _bound_to(context: Mapping[str, str]) -> bytes:
    return "\n".join(f"{name}={value}" for name, value in sorted(context.items())).encode()
