"""Telling who asks from the headers of a request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from starlette.datastructures import Headers

from app.access.api_keys import MARK, ApiKeys
from app.access.identity import Identity
from app.access.issuer_keys import open_issuer_keys
from app.access.oidc import OidcTokens, TokenRules
from app.settings import Settings
from db.pool import Database
from rag.errors import UnauthenticatedError

MAX_CREDENTIAL_LENGTH = 16_384  # characters; a token that lists hundreds of groups has half of it


class Authenticator(Protocol):
    async def identify(self, headers: Headers) -> Identity:
        """Who asks.

        Raises:
            UnauthenticatedError: They don't say, or can't prove it.
            ForbiddenError: They are known, but have no place here.
            UnavailableError: It can't be found out now.
        """


class CredentialReader(Protocol):
    async def identify(self, credential: str, /) -> Identity: ...


class Open:
    """Takes everyone for the same anonymous caller."""

    def __init__(self, everyone: Identity) -> None:
        self._everyone = everyone

    async def identify(self, headers: Headers) -> Identity:
        return self._everyone


class Closed:
    """Asks for a credential: an API key, or a token of the issuer.

    Args:
        keys: Reads API keys; None if they are not taken.
        tokens: Reads tokens; None if they are not taken.
    """

    def __init__(self, *, keys: CredentialReader | None, tokens: CredentialReader | None) -> None:
        self._keys = keys
        self._tokens = tokens

    async def identify(self, headers: Headers) -> Identity:
        credential = _credential(headers)
        reader = self._keys if credential.startswith(MARK) else self._tokens
        if reader is None:
            raise UnauthenticatedError("credentials of this kind are not taken here")
        return await reader.identify(credential)


def _credential(headers: Headers) -> str:
    """The one that was shown. Of two, one could be checked and the other believed: so there are none."""
    shown = headers.getlist("authorization")
    keys = headers.getlist("x-api-key")
    if not shown and not keys:
        raise UnauthenticatedError("show an API key or a token: Authorization: Bearer ...", was_refused=False)
    if len(shown) + len(keys) > 1:
        raise UnauthenticatedError("show one credential, in one header")
    if keys:
        scheme, credential = "bearer", keys[0]
    else:
        scheme, _, credential = shown[0].partition(" ")
    if scheme.lower() != "bearer" or len(credential) > MAX_CREDENTIAL_LENGTH:
        raise UnauthenticatedError("the credential is not an API key or a token")
    if keys and not credential.startswith(MARK):
        raise UnauthenticatedError("X-API-Key takes API keys")
    return credential


@asynccontextmanager
async def open_authenticator(
    settings: Settings, database: Database, keys: ApiKeys, *, everyone: Identity
) -> AsyncIterator[Authenticator]:
    """What `AUTH_MODE` asks for. `everyone` is the caller where nobody has to say who they are."""
    modes = settings.auth_modes
    if not modes:
        yield Open(everyone)
        return
    taken_keys = keys if "api_key" in modes else None
    if "oidc" not in modes:
        yield Closed(keys=taken_keys, tokens=None)
        return
    async with open_issuer_keys(
        issuer=settings.oidc_issuer or "",
        jwks_url=settings.oidc_jwks_url,
        max_age_s=settings.oidc_keys_max_age_s,
    ) as issuer_keys:
        yield Closed(keys=taken_keys, tokens=OidcTokens(database, issuer_keys, TokenRules.of(settings)))
