"""The data keys that seal stored texts: fetched, unwrapped, and kept in memory for a while."""

import time
from collections.abc import Collection, Mapping
from uuid import UUID

from app.settings import Settings
from db.pool import Database
from db.repositories import encryption
from db.repositories.encryption import WrappedKey
from rag.aws.envelope import KmsKeyWrapper
from rag.encryption.sealing import Keyring
from rag.encryption.wrapping import KeyWrapper, LocalKeyWrapper, Wrapping, parse_keys
from rag.errors import UnavailableError

KEPT_S = 300.0  # so long, a key that KMS no longer gives out goes on working here
MAX_KEPT = 10_000  # keys; 32 bytes each


class FieldKeys:
    """Data keys of all tenants. Nothing is stored unsealed because a key is missing: each call then raises.

    Args:
        database: Where wrapped keys are.
        wrappers: What unwraps them.
        sealing: Which of these wraps new keys; None stores texts as they are.
        kept_s: How long an unwrapped key is kept in memory.
    """

    def __init__(
        self,
        database: Database,
        wrappers: Mapping[Wrapping, KeyWrapper],
        sealing: Wrapping | None,
        *,
        kept_s: float = KEPT_S,
    ) -> None:
        self._database = database
        self._wrappers = wrappers
        self._sealing = sealing
        self._kept_s = kept_s
        self._newest: dict[UUID, tuple[float, int]] = {}
        self._keys: dict[tuple[UUID, int], tuple[float, bytes]] = {}

    @property
    def are_used(self) -> bool:
        """Whether texts are sealed."""
        return self._sealing is not None

    async def ring(self, tenant_id: UUID, *, reading: Collection[int] = ()) -> Keyring:
        """The tenant's key that seals now, which is made when there is none, and those of the versions named.

        Not to be awaited while a connection is held: it takes one of its own, and asks KMS.

        Raises:
            UnavailableError: A key can't be had now.
        """
        current = await self._current(tenant_id) if self._sealing else None
        wanted = set(reading) | ({current} if current else set())
        keys = {version: await self._key(tenant_id, version) for version in wanted}
        return Keyring(tenant_id, keys, current)

    async def rotate(self, tenant_id: UUID) -> int:
        """Make a new key, which seals from now on; its version. Other processes use it within `KEPT_S`.

        Raises:
            UnavailableError: It can't be made now, or no text is to be sealed.
        """
        async with self._database.tenant(tenant_id) as connection:
            newest = await encryption.newest(connection, tenant_id)
        return await self._make(tenant_id, version=newest.version + 1 if newest else 1)

    async def _current(self, tenant_id: UUID) -> int:
        expires, version = self._newest.get(tenant_id, (0.0, 0))
        if time.monotonic() < expires:
            return version
        async with self._database.tenant(tenant_id) as connection:
            newest = await encryption.newest(connection, tenant_id)
        if newest is None or newest.wrapping is not self._sealing:
            return await self._make(tenant_id, version=newest.version + 1 if newest else 1)
        self._newest[tenant_id] = (time.monotonic() + self._kept_s, newest.version)
        return newest.version

    async def _make(self, tenant_id: UUID, *, version: int) -> int:
        if self._sealing is None:
            raise UnavailableError("FIELD_ENCRYPTION is off")
        wrapper = self._wrappers[self._sealing]
        made = await wrapper.new_key(_context(tenant_id, version))
        async with self._database.tenant(tenant_id) as connection:
            await encryption.add(connection, tenant_id, WrappedKey(version, self._sealing, made.wrapped))
        self._newest[tenant_id] = (time.monotonic() + self._kept_s, version)
        return version

    async def _key(self, tenant_id: UUID, version: int) -> bytes:
        expires, key = self._keys.get((tenant_id, version), (0.0, b""))
        if time.monotonic() < expires:
            return key
        async with self._database.tenant(tenant_id) as connection:
            found = await encryption.find(connection, tenant_id, version)
        wrapper = self._wrappers.get(found.wrapping) if found else None
        if found is None or wrapper is None:
            raise UnavailableError(f"nothing unwraps the tenant's data key {version}: see FIELD_ENCRYPTION")
        key = await wrapper.unwrap(found.wrapped, _context(tenant_id, version))
        if len(self._keys) >= MAX_KEPT:
            self._keys.clear()
        self._keys[tenant_id, version] = (time.monotonic() + self._kept_s, key)
        return key


def open_field_keys(settings: Settings, database: Database) -> FieldKeys:
    """What the settings name. Keys of both kinds are unwrapped, as far as there is what unwraps them.

    Raises:
        InvalidInputError: The key that seals is not set, or can't be one.
    """
    wrappers: dict[Wrapping, KeyWrapper] = {}
    if settings.field_encryption_key is not None:
        keys = parse_keys(settings.field_encryption_key.get_secret_value())
        wrappers[Wrapping.LOCAL] = LocalKeyWrapper(keys)
    if settings.field_encryption_kms_key is not None:
        wrappers[Wrapping.KMS] = KmsKeyWrapper(settings.field_encryption_kms_key)
    mode = settings.field_encryption
    return FieldKeys(database, wrappers, None if mode == "off" else Wrapping(mode))


def _context(tenant_id: UUID, version: int) -> dict[str, str]:
    """What a wrapped key is bound to; KMS writes it into its own log."""
    return {"purpose": "groundwork data key", "tenant": str(tenant_id), "version": str(version)}
