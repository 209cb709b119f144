"""Callers for tests of who may do what."""

from dataclasses import dataclass
from uuid import UUID

from pydantic import SecretStr

from app.access.api_keys import ApiKeys, IssuedKey, KeyRequest
from app.access.identity import Identity
from app.access.roles import Role
from db.pool import Database
from db.repositories import tenants

PEPPER = SecretStr("a pepper of the tests, long enough")


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@dataclass(frozen=True, slots=True)
class KeyMaker:
    """Makes keys past HTTP, as the script does."""

    database: Database

    @property
    def keys(self) -> ApiKeys:
        return ApiKeys(self.database, pepper=PEPPER)

    async def tenant(self, slug: str) -> UUID:
        async with self.database.system() as connection:
            return (await tenants.ensure(connection, slug=slug, name=slug.title())).id

    async def issue(
        self, role: Role = Role.READER, *, tenant: str = "default", groups: tuple[str, ...] = ()
    ) -> IssuedKey:
        operator = Identity(await self.tenant(tenant), subject="tests", role=Role.OPERATOR)
        return await self.keys.create(operator, KeyRequest(f"{role} of {tenant}", role, groups))

    async def headers(
        self, role: Role = Role.READER, *, tenant: str = "default", groups: tuple[str, ...] = ()
    ) -> dict[str, str]:
        return bearer((await self.issue(role, tenant=tenant, groups=groups)).secret)
