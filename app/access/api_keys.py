"""API keys: made, shown once, checked at every request, rotated and revoked. Only their HMAC is stored."""

import hmac
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pydantic import SecretStr

from app.access.brief_cache import BriefCache
from app.access.identity import Identity, key_subject
from app.access.named_tenant import check_tenant, named_tenant
from app.access.roles import Role
from db.pool import Connection, Database
from db.repositories import api_keys
from db.repositories.api_keys import ApiKey, NewApiKey, UsableKey
from rag.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError, UnauthenticatedError

MARK = "gw_"  # tells a key from a token, and a scanner of secrets what it has found
PREFIX_BYTES, SECRET_BYTES = 8, 24  # 192 random bits can't be guessed
FORM = re.compile(r"gw_(?P<prefix>[0-9a-f]{16})_[0-9a-f]{48}")


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """What a new key is to be."""

    name: str
    role: Role = Role.READER
    groups: tuple[str, ...] = ()
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key with its secret, which is never seen again."""

    key: ApiKey
    secret: str


class ApiKeys:
    """The keys of all tenants.

    Args:
        database: Where their hashes are.
        pepper: The secret of the HMAC, which the database doesn't know; None if there can't be any keys.
    """

    def __init__(self, database: Database, *, pepper: SecretStr | None) -> None:
        self._database = database
        self._pepper = pepper.get_secret_value().encode() if pepper else None
        self._recent = BriefCache(self._look_up)

    async def identify(self, secret: str) -> Identity:
        """Whose key that is. A key that was just good counts as good for half a second more.

        Raises:
            UnauthenticatedError: Nobody's, or not any more.
            UnavailableError: The database can't be reached.
        """
        form = FORM.fullmatch(secret)
        if form is None:
            raise _refused()
        return await self._recent.get((form["prefix"], self._hash(secret)))

    async def _look_up(self, shown: tuple[str, bytes]) -> Identity:
        prefix, shown_hash = shown
        async with self._database.system() as connection:
            key = await api_keys.find_usable(connection, prefix)
            if key is None or not _opens(key, shown_hash):
                raise _refused()
            if key.needs_touch:
                await api_keys.touch(connection, key.id)
        return Identity(
            tenant_id=key.tenant_id,
            subject=key_subject(key.id),
            groups=tuple(key.groups),
            role=Role(key.role),
            key_id=key.id,
        )

    async def create(
        self, caller: Identity, wanted: KeyRequest, *, tenant_id: UUID | None = None
    ) -> IssuedKey:
        """Make a key of the caller's tenant; an operator may name another.

        Raises:
            ForbiddenError: The role lies above the caller's own.
            NotFoundError: There is no such tenant that the caller may make keys of.
            InvalidInputError: There is no pepper, or the key would have expired already.
        """
        _check_grant(caller, wanted.role)
        if wanted.expires_at is not None and wanted.expires_at <= datetime.now(UTC):
            raise InvalidInputError("expires_at lies in the past")
        prefix = secrets.token_hex(PREFIX_BYTES)
        secret = _new_secret(prefix)
        new = NewApiKey(
            name=wanted.name,
            role=wanted.role,
            groups=wanted.groups,
            prefix=prefix,
            hash=self._hash(secret),
            created_by=caller.subject or "anonymous",
            expires_at=wanted.expires_at,
        )
        owner_id = named_tenant(caller, tenant_id)
        async with self._database.tenant(owner_id) as connection:
            return IssuedKey(await api_keys.add(connection, owner_id, new), secret)

    async def page(
        self,
        caller: Identity,
        *,
        tenant_id: UUID | None = None,
        limit: int,
        after: tuple[datetime, UUID] | None = None,
    ) -> list[ApiKey]:
        """Keys in the order of their making, of the caller's tenant; an operator may name another.

        Raises:
            NotFoundError: There is no such tenant whose keys the caller may see.
        """
        owner_id = named_tenant(caller, tenant_id)
        async with self._database.tenant(owner_id) as connection:
            await check_tenant(connection, owner_id)
            return await api_keys.page(connection, owner_id, limit=limit, after=after)

    async def rotate(self, caller: Identity, key_id: UUID, *, overlap: timedelta) -> IssuedKey:
        """Give a key a new secret; the one it has stays good for `overlap`, and an older one ends.

        Raises:
            NotFoundError: There is no such key that the caller can see.
            ForbiddenError: Its role lies above the caller's own.
            ConflictError: It was revoked, or has expired.
            InvalidInputError: There is no pepper.
        """
        async with self._own(caller, key_id) as (connection, key):
            secret = _new_secret(key.prefix)
            rotated = await api_keys.rotate(connection, key.id, self._hash(secret), overlap=overlap)
        if rotated is None:
            raise ConflictError("the key was revoked or has expired")
        return IssuedKey(rotated, secret)

    async def revoke(self, caller: Identity, key_id: UUID) -> ApiKey:
        """End a key within a second, everywhere; once more changes nothing.

        Raises:
            NotFoundError: There is no such key that the caller can see.
            ForbiddenError: Its role lies above the caller's own.
        """
        async with self._own(caller, key_id) as (connection, key):
            return await api_keys.revoke(connection, key.id)

    @asynccontextmanager
    async def _own(self, caller: Identity, key_id: UUID) -> AsyncIterator[tuple[Connection, ApiKey]]:
        """The key, with a transaction of its tenant, if the caller may change it."""
        tenant_id: UUID | None = caller.tenant_id
        if caller.role is Role.OPERATOR:
            async with self._database.system() as connection:
                tenant_id = await api_keys.tenant_of(connection, key_id)
        if tenant_id is None:
            raise _no_key(key_id)
        async with self._database.tenant(tenant_id) as connection:
            key = await api_keys.get(connection, key_id)
            if key is None:
                raise _no_key(key_id)
            _check_grant(caller, Role(key.role))
            yield connection, key

    def _hash(self, secret: str) -> bytes:
        if self._pepper is None:
            raise InvalidInputError("API keys need API_KEY_PEPPER, which is not set")
        return hmac.digest(self._pepper, secret.encode(), "sha256")


def _new_secret(prefix: str) -> str:
    return f"{MARK}{prefix}_{secrets.token_hex(SECRET_BYTES)}"


def _opens(key: UsableKey, shown_hash: bytes) -> bool:
    """Whether it is one of the key's hashes, in a time that doesn't say how nearly."""
    is_current = hmac.compare_digest(key.hash, shown_hash)
    return hmac.compare_digest(key.previous_hash or key.hash, shown_hash) or is_current


def _check_grant(caller: Identity, role: Role) -> None:
    if not caller.role.may_grant(role):
        raise ForbiddenError(f"the role {caller.role} can't manage keys with the role {role}")


def _no_key(key_id: UUID) -> NotFoundError:
    return NotFoundError(f"there is no key {key_id}")


def _refused() -> UnauthenticatedError:
    return UnauthenticatedError("the API key is unknown, expired or revoked")
