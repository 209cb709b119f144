import httpx

from app.settings import Settings
from db.addresses import DatabaseLogins
from db.pool import Database
from db.repositories import tenants
from rag.models.local import LocalModels
from tests.integration.app.conftest import POLICY, ingest_text
from tests.integration.conftest import running_service, settings_for

QUESTION = {"query": "How many vacation days can I carry over?"}


async def ask(client: httpx.AsyncClient) -> str:
    return str((await client.post("/chat", json=QUESTION)).json()["answer"])


async def test_phrases_of_the_service_and_of_the_tenant_are_left_out_of_answers(
    logins: DatabaseLogins, database: Database, local_models: LocalModels
) -> None:
    async with running_service(settings_for(logins), local_models) as client:
        await ingest_text(client, POLICY, title="Leave policy", source_document_id="leave")
        assert "5 vacation days" in await ask(client)
        async with database.system() as connection:
            tenant = await tenants.find(connection, "default")
        assert tenant
        async with database.tenant(tenant.id) as connection:
            await tenants.set_suppressed(connection, tenant.id, ["5 Vacation  Days"])
        assert "5 vacation days" not in await ask(client)
        async with database.tenant(tenant.id) as connection:
            await tenants.set_suppressed(connection, tenant.id, [])
        assert "5 vacation days" in await ask(client)
    settings: Settings = settings_for(logins, suppress="something else|carry over")
    async with running_service(settings, local_models) as client:
        assert "5 vacation days" not in await ask(client)
