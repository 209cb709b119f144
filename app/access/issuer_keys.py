"""The public keys of an OpenID Connect issuer: found by discovery, kept for a while, looked up again in time.

Known keys are used while they are younger than the maximum age, whatever becomes of the issuer meanwhile;
after that nobody gets in until it answers again. Redirects are not followed, so that an address that was
checked is the one that is called.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from app.access.binding import is_loopback
from rag.errors import InvalidInputError, UnauthenticatedError, UnavailableError

log = structlog.get_logger(__name__)

RETRY_S = 10.0  # between two fetches, so that tokens with made-up key ids don't become a load on the issuer
LONGEST_REFRESH_S = 300.0  # a key that the issuer has withdrawn is no longer taken after that
FETCH_TIMEOUT_S = 5.0
MAX_BYTES = 1024 * 1024  # a key is half a kilobyte
MIN_RSA_BITS = 2048

SigningKey = RSAKey | ECKey


@dataclass(frozen=True, slots=True)
class FetchedKeys:
    """Keys by their id, and when they were fetched, in seconds of the monotonic clock."""

    by_id: Mapping[str | None, SigningKey] = field(default_factory=dict)
    fetched_at: float = float("-inf")


class IssuerKeys:
    """Made by `open_issuer_keys`.

    Args:
        client: Fetches; follows no redirects.
        issuer: As tokens name it.
        jwks_url: Where the keys are; None if the issuer's discovery document says.
        max_age_s: How long keys may be used that can't be fetched again.
        retry_s: Time between two fetches, at least.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        issuer: str,
        jwks_url: str | None,
        max_age_s: float,
        retry_s: float = RETRY_S,
    ) -> None:
        self._client = client
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._max_age_s = max_age_s
        self._retry_s = retry_s
        self._keys = FetchedKeys()
        self._fetching = asyncio.Lock()
        self._tried_at = float("-inf")
        self._has_failed = False

    async def find(self, key_id: str | None) -> SigningKey:
        """The key of that id; without an id the only one there is.

        Raises:
            UnauthenticatedError: The issuer has no such key.
            UnavailableError: The keys are too old, or may lack one, and can't be fetched.
        """
        key = self._known(key_id)
        if key is None:
            await self.refresh()
            key = self._known(key_id)
        if key is not None:
            return key
        if self._has_failed or self._are_too_old():
            raise UnavailableError("the issuer's keys cannot be fetched")
        raise UnauthenticatedError("the token is signed by a key that the issuer doesn't have")

    async def refresh(self) -> None:
        """Fetch anew, unless that was tried a moment ago. A failure leaves the keys as they are."""
        async with self._fetching:
            if time.monotonic() - self._tried_at < self._retry_s:
                return
            self._tried_at = time.monotonic()
            try:
                self._keys = FetchedKeys(await self._fetch(), self._tried_at)
            except (httpx.HTTPError, TimeoutError, UnavailableError) as exc:
                self._has_failed = True
                log.warning("issuer_keys_not_fetched", issuer=self._issuer, error=repr(exc))
            else:
                self._has_failed = False

    async def keep_fresh(self) -> None:
        """Fetch now, and then often enough, until cancelled."""
        while True:
            await self.refresh()
            regular = min(LONGEST_REFRESH_S, self._max_age_s / 2)
            await asyncio.sleep(self._retry_s if self._has_failed else regular)

    def _known(self, key_id: str | None) -> SigningKey | None:
        return None if self._are_too_old() else self._keys.by_id.get(key_id)

    def _are_too_old(self) -> bool:
        return time.monotonic() - self._keys.fetched_at > self._max_age_s

    async def _fetch(self) -> dict[str | None, SigningKey]:
        async with asyncio.timeout(FETCH_TIMEOUT_S):
            document = await self._get(self._jwks_url or await self._discover())
        keys = _signing_keys(document.get("keys"))
        if not keys:
            raise UnavailableError("the issuer names no key that can be used")
        return keys

    async def _discover(self) -> str:
        """Where the issuer says its keys are: OpenID Connect Discovery 1.0, 4."""
        document = await self._get(self._issuer.rstrip("/") + "/.well-known/openid-configuration")
        if document.get("issuer") != self._issuer:
            raise UnavailableError("the discovery document is another issuer's")
        url = document.get("jwks_uri")
        if not isinstance(url, str) or not is_safe_url(url):
            raise UnavailableError("the discovery document names no address of keys that may be called")
        return url

    async def _get(self, url: str) -> dict[str, Any]:
        body = b""
        async with self._client.stream("GET", url) as response:
            if response.status_code != httpx.codes.OK:
                raise UnavailableError(f"{url} answers with {response.status_code}")
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MAX_BYTES:
                    raise UnavailableError(f"{url} answers with too much")
        try:
            document = json.loads(body)
        except (ValueError, RecursionError) as exc:
            raise UnavailableError(f"{url} doesn't answer with JSON") from exc
        if not isinstance(document, dict):
            raise UnavailableError(f"{url} doesn't answer with a JSON object")
        return document


def _signing_keys(found: object) -> dict[str | None, SigningKey]:
    """Those of a JSON Web Key Set (RFC 7517) that can check a signature. A single one needs no id."""
    keys: dict[str | None, SigningKey] = {}
    for item in found if isinstance(found, list) else []:
        key = _signing_key(item)
        if key is not None:
            keys.setdefault(key.kid, key)
    if len(keys) == 1:
        keys[None] = next(iter(keys.values()))
    return keys


def _signing_key(item: object) -> SigningKey | None:
    if not isinstance(item, dict) or item.get("use", "sig") != "sig":
        return None
    try:
        if item.get("kty") == "RSA":
            key = RSAKey.import_key(item)
            return key if key.public_key.key_size >= MIN_RSA_BITS else None
        return ECKey.import_key(item) if item.get("kty") == "EC" else None
    except (JoseError, ValueError, TypeError, KeyError):
        log.warning("issuer_key_unreadable", key_id=item.get("kid"))
        return None


def is_safe_url(url: str) -> bool:
    """Whether nobody on the way can change what it answers with: https, or a server on this machine."""
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        return False
    is_private_enough = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.host))
    return is_private_enough and bool(parts.host) and not parts.userinfo and not parts.fragment


@asynccontextmanager
async def open_issuer_keys(
    *, issuer: str, jwks_url: str | None, max_age_s: float
) -> AsyncIterator[IssuerKeys]:
    """The keys of an issuer, followed in the background. An issuer that is away doesn't stop a start.

    Raises:
        InvalidInputError: An address is neither https nor this machine's.
    """
    for url in filter(None, (issuer, jwks_url)):
        if not is_safe_url(url):
            raise InvalidInputError(f"{url} must begin with https://, unless it is this machine's")
    async with httpx.AsyncClient(follow_redirects=False, timeout=FETCH_TIMEOUT_S) as client:
        keys = IssuerKeys(client, issuer=issuer, jwks_url=jwks_url, max_age_s=max_age_s)
        following = asyncio.create_task(keys.keep_fresh())
        try:
            yield keys
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
