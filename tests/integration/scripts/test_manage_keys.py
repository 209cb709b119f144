from collections.abc import AsyncIterator

import pytest

from app.services import Services, open_services
from db.addresses import DatabaseLogins
from db.repositories import audit
from db.repositories.audit import AuditFilter
from rag.errors import ConflictError, InvalidInputError, UnauthenticatedError
from rag.models.local import LocalModels
from scripts.manage_keys import parser
from tests.integration.app.access import PEPPER
from tests.integration.conftest import settings_for


@pytest.fixture(scope="module")
async def services(logins: DatabaseLogins, local_models: LocalModels) -> AsyncIterator[Services]:
    settings = settings_for(logins, role="api", api_key_pepper=PEPPER)
    async with open_services(settings, local=local_models) as opened:
        yield opened


async def manage(services: Services, *words: str) -> list[str]:
    arguments = parser().parse_args(words)
    lines: list[str] = await arguments.run(services, arguments)
    return lines


async def test_the_first_key_of_a_tenant_is_made_rotated_and_revoked(services: Services) -> None:
    await manage(services, "create-tenant", "acme", "--name", "Acme")
    line, first = await manage(services, "create", "--tenant", "acme", "--name", "first", "--group", "staff")
    assert "admin (staff): first" in line
    identity = await services.keys.identify(first)
    assert (identity.role, identity.groups) == ("admin", ("staff",))
    key_id = str(identity.key_id)
    _, second = await manage(services, "rotate", key_id, "--overlap-s", "0")
    assert (await services.keys.identify(second)).key_id == identity.key_id
    (revoked,) = await manage(services, "revoke", key_id)
    assert "ended" in revoked
    assert await manage(services, "list", "--tenant", "acme") == [revoked]
    async with services.database.tenant(identity.tenant_id) as connection:
        entries = await audit.page(connection, identity.tenant_id, AuditFilter(), limit=10)
    actions = ["key.revoke", "key.rotate", "key.create", "tenant.create"]
    assert [entry.action for entry in entries] == actions
    assert {entry.subject.partition(":")[0] for entry in entries} == {"script"}


async def test_what_makes_no_sense_is_refused(services: Services) -> None:
    await manage(services, "create-tenant", "twice")
    with pytest.raises(ConflictError):
        await manage(services, "create-tenant", "twice")
    with pytest.raises(InvalidInputError, match="there is no tenant nobody"):
        await manage(services, "create", "--tenant", "nobody", "--name", "x")
    with pytest.raises(UnauthenticatedError):
        await services.keys.identify("gw_")
    with pytest.raises(SystemExit):
        parser().parse_args(["create", "--name", "x", "--role", "emperor"])
