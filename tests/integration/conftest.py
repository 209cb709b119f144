import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import uvicorn

from app.factory import create_app
from app.services import Services, open_services
from app.settings import Settings
from db.addresses import DatabaseLogins
from db.pool import Database, open_database
from db.repositories import tenants
from rag.models.local import LocalModels
from tests.integration.servers import Server, migrate_template, open_server


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="groundwork-tests-") as folder:
        # As root, the server runs as another user, who must get in; pytest's own folders are closed.
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
async def server(server_folder: Path) -> AsyncIterator[Server]:
    async with open_server(server_folder) as opened:
        yield opened


@pytest.fixture(scope="session")
async def template(server: Server) -> AsyncIterator[str]:
    name = await migrate_template(server)
    yield name
    await server.drop(name)


@pytest.fixture(scope="module")
async def logins(server: Server, template: str) -> AsyncIterator[DatabaseLogins]:
    """A migrated, empty database of the test module's own."""
    name, found = await server.clone(template)
    yield found
    await server.drop(name)


@pytest.fixture(scope="module")
async def database(logins: DatabaseLogins) -> AsyncIterator[Database]:
    async with open_database(logins) as opened:
        yield opened


@pytest.fixture
async def tenant_id(database: Database) -> UUID:
    async with database.system() as connection:
        return (await tenants.ensure(connection, slug="default", name="Default")).id


def settings_for(logins: DatabaseLogins, **changes: object) -> Settings:
    """Settings of a service on that database, without sample documents unless asked for."""
    fields: dict[str, object] = {
        "database_url": logins.owner.url,
        "app_database_url": logins.app.url if logins.app.role is None else None,
        "system_database_url": logins.system.url if logins.system.role is None else None,
        "sample_documents": False,
    }
    return Settings(_env_file=None, **(fields | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
async def services(logins: DatabaseLogins, local_models: LocalModels) -> AsyncIterator[Services]:
    async with open_services(settings_for(logins), local=local_models) as opened:
        yield opened


@asynccontextmanager
async def running_service(settings: Settings, local_models: LocalModels) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the real service: uvicorn on a free port of the loopback address."""
    app = create_app(settings, local=local_models)
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, timeout_graceful_shutdown=5)
    running = uvicorn.Server(config)
    task = asyncio.create_task(running.serve())
    while not running.started:
        if task.done():
            task.result()
        await asyncio.sleep(0.01)
    port = running.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client
    finally:
        running.should_exit = True
        await task


@pytest.fixture(scope="module")
async def client(logins: DatabaseLogins, local_models: LocalModels) -> AsyncIterator[httpx.AsyncClient]:
    async with running_service(settings_for(logins), local_models) as opened:
        yield opened
