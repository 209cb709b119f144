from uuid import UUID, uuid4

import pytest

from db.pool import Database
from db.repositories import tenants
from db.repositories.spaces import Space
from db.stores import PostgresChunkSearch, PostgresSourceStore
from tests.integration.db.corpus import Searcher, find_space


@pytest.fixture
async def own_tenant_id(database: Database) -> UUID:
    """A tenant of the test's own, so that its corpus statistics are its own too."""
    async with database.system() as connection:
        return (await tenants.ensure(connection, slug=f"t-{uuid4().hex}", name="Test")).id


@pytest.fixture
async def space(database: Database) -> Space:
    return await find_space(database)


@pytest.fixture
def store(database: Database, space: Space) -> PostgresSourceStore:
    return PostgresSourceStore(database, space)


@pytest.fixture
def search(database: Database, space: Space, own_tenant_id: UUID) -> Searcher:
    return Searcher(PostgresChunkSearch(database, space), own_tenant_id)
