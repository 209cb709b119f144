"""Callers who log in elsewhere: bearer tokens of one OpenID Connect issuer, such as an Amazon Cognito pool.

A token says who, in `sub`; its groups say the rest: `tenant:<slug>` the tenant, `role:<name>` the role (of
several the highest), and all others open documents. A tenant that isn't there is not made.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwt import JWTClaimsRegistry

from app.access.brief_cache import BriefCache
from app.access.identity import ANONYMOUS, KEY, Identity
from app.access.issuer_keys import IssuerKeys, SigningKey
from app.access.roles import Role
from app.settings import Settings
from db.pool import Database
from db.repositories import tenants
from rag.errors import ForbiddenError, UnauthenticatedError

# All of public keys: with those of a shared secret, an issuer's public key could be taken for the secret.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
# Of tokens that are meant for a service; others, such as a logout's, are signed by the same keys.
TYPES = {None, "jwt", "at+jwt", "application/at+jwt"}
LEEWAY_S = 30  # by which clocks may differ
MAX_SUBJECT_LENGTH = 255  # OpenID Connect Core 1.0, 2
TENANT, ROLE = "tenant:", "role:"


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must say, and in which of its claims.

    Attributes:
        issuer: Its `iss`.
        audiences: One of these in its `aud`.
        client_ids: One of these as `client_id` of an access token of Cognito's, which has no `aud`.
    """

    issuer: str
    audiences: frozenset[str]
    client_ids: frozenset[str]
    groups_claim: str
    tenant_claim: str | None
    role_claim: str | None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        client_ids = _listed(settings.oidc_client_ids)
        return cls(
            issuer=settings.oidc_issuer or "",
            audiences=_listed(settings.oidc_audience) | client_ids,
            client_ids=client_ids,
            groups_claim=settings.oidc_groups_claim,
            tenant_claim=settings.oidc_tenant_claim,
            role_claim=settings.oidc_role_claim,
        )


def _listed(text: str | None) -> frozenset[str]:
    return frozenset(filter(None, (part.strip() for part in (text or "").split(","))))


class OidcTokens:
    """Reads tokens.

    Args:
        database: Knows the tenants.
        keys: The issuer's.
        rules: What a token must say.
    """

    def __init__(self, database: Database, keys: IssuerKeys, rules: TokenRules) -> None:
        self._database = database
        self._keys = keys
        self._rules = rules
        self._registry = JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": rules.issuer},
            exp={"essential": True},
            sub={"essential": True},
        )
        self._tenants = BriefCache(self._find_tenant)

    async def identify(self, token: str) -> Identity:
        """Who logged in.

        Raises:
            UnauthenticatedError: The token is not the issuer's, not for us, or not good now.
            ForbiddenError: It names no tenant that is there.
            UnavailableError: The issuer's keys or the database can't be reached.
        """
        key = await self._keys.find(_key_id(token))
        claims = self._verified(token, key)
        caller = Caller.of(claims, self._rules)
        tenant_id = await self._tenants.get(caller.tenant)
        if tenant_id is None:
            raise ForbiddenError(f"there is no tenant {caller.tenant}")
        return Identity(tenant_id, subject=caller.subject, groups=caller.groups, role=caller.role)

    def _verified(self, token: str, key: SigningKey) -> dict[str, Any]:
        try:
            claims = jwt.decode(token, key, algorithms=ALGORITHMS).claims
            self._registry.validate(claims)
        except (JoseError, ValueError, TypeError, RecursionError) as exc:
            raise UnauthenticatedError("the token is not signed by its issuer, or not good now") from exc
        if not self._is_for_us(claims):
            raise UnauthenticatedError("the token was issued for another service")
        return claims

    def _is_for_us(self, claims: dict[str, Any]) -> bool:
        use = claims.get("token_use")  # Cognito's
        if use == "access":
            return str(claims.get("client_id")) in self._rules.client_ids
        audience = claims.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        return use in (None, "id") and any(name in self._rules.audiences for name in named)

    async def _find_tenant(self, slug: str) -> UUID | None:
        async with self._database.system() as connection:
            found = await tenants.find(connection, slug)
        return found.id if found else None


@dataclass(frozen=True, slots=True)
class Caller:
    """What a token says of who shows it."""

    subject: str
    tenant: str
    role: Role
    groups: tuple[str, ...]

    @classmethod
    def of(cls, claims: dict[str, Any], rules: TokenRules) -> Self:
        """Raises: UnauthenticatedError for claims of no use, ForbiddenError for no tenant or several."""
        groups = _texts(claims, rules.groups_claim)
        tenants = [group.removeprefix(TENANT) for group in groups if group.startswith(TENANT)]
        roles = [group.removeprefix(ROLE) for group in groups if group.startswith(ROLE)]
        if rules.tenant_claim is not None:
            tenants = _texts(claims, rules.tenant_claim)
        if rules.role_claim is not None:
            roles = _texts(claims, rules.role_claim)
        if len(set(tenants)) != 1:
            raise ForbiddenError("the token must name one tenant")
        return cls(
            subject=_subject(claims["sub"]),
            tenant=tenants[0],
            role=max((role for role in Role if role in roles), key=list(Role).index, default=Role.READER),
            groups=tuple(group for group in groups if not group.startswith((TENANT, ROLE))),
        )


def _subject(text: str) -> str:
    """The `sub`, unless it could be taken for a subject that we give out."""
    if len(text) > MAX_SUBJECT_LENGTH or text.startswith((KEY, ANONYMOUS)) or not _is_storable(text):
        raise UnauthenticatedError("the token's subject can't be used")
    return text


def _texts(claims: dict[str, Any], claim: str) -> list[str]:
    """The texts of a claim that may be one, a list, or missing."""
    value = claims.get(claim) or []
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(t, str) and _is_storable(t) for t in texts):
        raise UnauthenticatedError(f"the token's claim {claim} can't be used")
    return texts


def _is_storable(text: str) -> bool:
    """Whether the database takes it: JSON can hold NUL characters and halves of surrogate pairs."""
    return "\0" not in text and text.encode(errors="replace").decode() == text


def _key_id(token: str) -> str | None:
    """Which key the token says it is signed with.

    Raises:
        UnauthenticatedError: It is no token, or signed in a way that is not taken.
    """
    try:
        header = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
    except (ValueError, RecursionError, binascii.Error) as exc:
        raise UnauthenticatedError("the credential is not an API key or a token") from exc
    if not isinstance(header, dict) or header.get("alg") not in ALGORITHMS:
        raise UnauthenticatedError("the token is signed in a way that is not taken")
    kind, key_id = header.get("typ"), header.get("kid")
    if (kind.lower() if isinstance(kind, str) else kind) not in TYPES:
        raise UnauthenticatedError("the token is of another kind")
    return key_id if isinstance(key_id, str) else None
