"""A real Postgres with pgvector for tests: TEST_DATABASE_URL, else a container, else the embedded server."""

import gc
import os
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from db.addresses import DatabaseLogins, Login
from db.bootstrap import prepare
from db.embedded import ServerAddress, embedded_postgres
from db.embedding_spaces import ensure_embedding_space
from db.migrate import migrate
from db.pool import connect
from rag.models.local import LOCAL_EMBEDDINGS

IMAGE = "pgvector/pgvector:pg16"
EMBEDDED_MAJOR = int(os.environ.get("TEST_POSTGRES_MAJOR", "16"))


@dataclass(frozen=True, slots=True)
class Server:
    """A server on which tests make databases. `address` is the embedded server's, `url` any other's."""

    address: ServerAddress | None = None
    url: str = ""

    @property
    def admin(self) -> Login:
        """The superuser's."""
        return Login(self.address.admin_dsn() if self.address else self.url)

    async def logins(self, database: str) -> DatabaseLogins:
        """How to log in to a database, which is made when it isn't there."""
        if self.address:
            return await prepare(self.address, database=database)
        await self._run(f'CREATE DATABASE "{database}"', unless_exists=database)
        return DatabaseLogins.from_urls(self._url_of(database))

    async def clone(self, template: str) -> tuple[str, DatabaseLogins]:
        """A copy of a database under a new name."""
        name = f"test_{uuid4().hex}"
        owner = "OWNER groundwork_owner" if self.address else ""
        await self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {owner}')
        return name, await self.logins(name)

    async def drop(self, database: str) -> None:
        await self._run(f'DROP DATABASE "{database}" WITH (FORCE)')

    def _url_of(self, database: str) -> str:
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))

    async def _run(self, statement: str, *, unless_exists: str | None = None) -> None:
        admin = await connect(self.admin)
        try:
            exists = await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", unless_exists)
            if not exists:
                await admin.execute(statement)
        finally:
            await admin.close()


@asynccontextmanager
async def open_server(folder: Path) -> AsyncIterator[Server]:
    """The first that there is of the three."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield Server(url=url)
    elif docker_answers():
        from testcontainers.postgres import PostgresContainer  # noqa: PLC0415 - needs an engine to import

        with PostgresContainer(IMAGE, driver=None) as container:
            yield Server(url=container.get_connection_url())
    else:
        async with embedded_postgres(folder, major=EMBEDDED_MAJOR) as address:
            yield Server(address=address)


def docker_answers() -> bool:
    """Whether a container engine is there to start a container on."""
    from docker.client import DockerClient  # noqa: PLC0415 - slow to import
    from docker.errors import DockerException  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # a refused connection leaves docker's socket open
        try:
            with closing(DockerClient.from_env(timeout=2)) as client:  # type: ignore[no-untyped-call]
                return bool(client.ping())
        except DockerException:
            return False
        finally:
            gc.collect()


async def migrate_template(server: Server) -> str:
    """A database at the newest schema, with the local model's embedding space, to clone."""
    name = f"template_{uuid4().hex}"
    logins = await server.logins(name)
    await migrate(logins.owner)
    await ensure_embedding_space(logins.owner, model=LOCAL_EMBEDDINGS, dimensions=384)
    return name
