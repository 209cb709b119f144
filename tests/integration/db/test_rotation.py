"""Logins that change while the service runs, on a server that demands the password."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
import structlog

from app import secrets
from app.foundation import prepare_schema
from app.secrets import LiveSettings
from app.settings import Settings
from db import notifications
from db.addresses import DatabaseLogins, Login, url_of_secret
from db.pool import connect, open_database
from observability.logs import configure_logs
from rag.aws.clients import aws_client
from rag.errors import UnavailableError
from rag.models.local import LocalModels
from tests.integration.conftest import running_service, settings_for
from tests.integration.servers import Server
from tests.standins.aws import use_aws
from tests.standins.moto import moto_server
from tests.unit.rag.aws.secret_store import SecretStore, secret_store

OLD, NEW = "c4n4ry-old", "c4n4ry-new"
NEVER_S = 3600.0

OWNER = "SELECT rolname, rolsuper FROM pg_roles WHERE rolname = current_user"
SESSIONS = "SELECT pid, usename, query FROM pg_stat_activity WHERE usename = ANY($1)"
TERMINATE = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = ANY($1)"


@dataclass(frozen=True, slots=True)
class Account:
    """A login that may do what the database's owner may, and its clone, for taking turns."""

    admin: Login
    owner: Login
    name: str

    @property
    def clone(self) -> str:
        return f"{self.name}_clone"

    def secret(self, user: str, password: str) -> str:
        """As RDS keeps it."""
        parts = urlsplit(self.owner.url)
        query = parse_qs(parts.query)
        kept = {
            "username": user,
            "password": password,
            "host": query["host"][0] if query else parts.hostname,
            "port": query["port"][0] if query else parts.port,
            "dbname": parts.path[1:],
        }
        return json.dumps(kept)

    async def change_password(self, password: str) -> None:
        """To `password`; the old one is refused from then on."""
        await self.run(f"ALTER ROLE {self.name} PASSWORD '{password}'")
        old = url_of_secret(self.secret(self.name, OLD), host=None, port=None, database=None)
        with pytest.raises(UnavailableError, match="password authentication failed"):
            await connect(Login(old))

    async def sessions(self) -> dict[int, tuple[str, str]]:
        """User and last statement of each open connection."""
        rows = await self.run(SESSIONS, [self.name, self.clone])
        return {row["pid"]: (row["usename"], row["query"]) for row in rows}

    async def terminate(self) -> None:
        """End all connections, as a restart of the database does."""
        assert await self.run(TERMINATE, [self.name, self.clone])
        await asyncio.sleep(0.2)  # until the driver has seen it

    async def run(self, statement: str, *values: object) -> list[Any]:
        connection = await connect(self.admin)
        try:
            return await connection.fetch(statement, *values)
        finally:
            await connection.close()


@pytest.fixture
async def account(server: Server, logins: DatabaseLogins) -> AsyncIterator[Account]:
    found = Account(server.admin, logins.owner, f"rotated_{uuid4().hex[:8]}")
    owner = await connect(logins.owner)
    row = await owner.fetchrow(OWNER)
    await owner.close()
    assert row is not None
    name, is_superuser = row
    rank = "SUPERUSER" if is_superuser else ""  # which membership doesn't hand on
    await found.run(f"CREATE ROLE {found.name} LOGIN {rank} PASSWORD '{OLD}' IN ROLE {name}")
    await found.run(f"CREATE ROLE {found.clone} LOGIN {rank} PASSWORD '{NEW}' IN ROLE {found.name}")
    yield found
    await found.run(f"DROP ROLE {found.clone}, {found.name}")


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def secrets_manager(moto_url: str, account: Account, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Secrets Manager with the account's first password."""
    use_aws(monkeypatch, moto_url)
    client = aws_client("secretsmanager", needed_by="a test")
    client.create_secret(Name=account.name, SecretString=account.secret(account.name, OLD))
    return client


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretStore]:
    with secret_store() as opened:
        use_aws(monkeypatch, opened.url)
        yield opened


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    """All that the service logs, at DEBUG."""
    root = logging.getLogger()
    before = root.handlers, root.level
    configure_logs(level="DEBUG", log_format="json")
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    written = io.StringIO()
    handler.setStream(written)
    yield written
    root.handlers = before[0]
    root.setLevel(before[1])
    structlog.reset_defaults()


def settings_by(account: Account, *, refresh_s: float = NEVER_S) -> Settings:
    return settings_for(
        DatabaseLogins.from_urls(""),
        database_url=None,
        db_secret=f"secretsmanager:{account.name}",
        secrets_refresh_s=refresh_s,
    )


async def search(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/search", json={"query": "vacation"})


async def test_the_service_goes_on_when_the_password_is_changed(
    account: Account,
    secrets_manager: Any,
    local_models: LocalModels,
    monkeypatch: pytest.MonkeyPatch,
    logs: io.StringIO,
) -> None:
    monkeypatch.setattr(notifications, "RECONNECT_S", 0.1)
    async with running_service(settings_by(account), local_models) as client:
        assert (await search(client)).status_code == 200
        await account.change_password(NEW)
        secrets_manager.put_secret_value(
            SecretId=account.name, SecretString=account.secret(account.name, NEW)
        )
        open_before = await account.sessions()
        assert (await search(client)).status_code == 200
        assert set(open_before) <= set(await account.sessions())  # what is open stays open

        await account.terminate()
        answers = await asyncio.gather(*(search(client) for _ in range(8)))
        assert [answer.status_code for answer in answers] == [200] * 8
        await _until_listening(account)  # the worker's connection too
        assert not set(open_before) & set(await account.sessions())
    assert '{"settings": ["DB_SECRET"], "event": "secrets_refreshed"' in logs.getvalue()
    assert "c4n4ry" not in logs.getvalue()


async def _until_listening(account: Account) -> None:
    async with asyncio.timeout(60):
        while not any("LISTEN" in query for _, query in (await account.sessions()).values()):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_users_may_take_turns(
    account: Account, secrets_manager: Any, local_models: LocalModels
) -> None:
    async with running_service(settings_by(account, refresh_s=1), local_models) as client:
        assert {user for user, _ in (await account.sessions()).values()} == {account.name}
        secrets_manager.put_secret_value(
            SecretId=account.name, SecretString=account.secret(account.clone, NEW)
        )
        # The first user's password is still good; only by looking again is the second one found.
        async with asyncio.timeout(60):
            while {user for user, _ in (await account.sessions()).values()} != {account.clone}:
                await account.terminate()
                assert (await search(client)).status_code == 200
                await asyncio.sleep(0.5)


async def test_commands_of_the_owner_follow(
    account: Account, secrets_manager: Any, local_models: LocalModels
) -> None:
    logins = LiveSettings(settings_by(account)).database_logins()
    assert logins
    await account.change_password(NEW)
    secrets_manager.put_secret_value(SecretId=account.name, SecretString=account.secret(account.name, NEW))
    await prepare_schema(logins, local_models.embedding())
    await (await connect(logins.owner)).close()


async def test_a_password_that_stays_wrong_is_asked_for_once_in_a_while(
    account: Account,
    store: SecretStore,
    local_models: LocalModels,
    monkeypatch: pytest.MonkeyPatch,
    logs: io.StringIO,
) -> None:
    store.values = {account.name: account.secret(account.name, OLD)}
    async with running_service(settings_by(account), local_models) as client:
        store.calls.clear()
        await account.change_password(NEW)
        await account.terminate()
        answers = await asyncio.gather(*(search(client) for _ in range(8)))
        assert [answer.status_code for answer in answers] == [503] * 8
        assert store.calls == [account.name]
        assert "password authentication failed" in logs.getvalue()
        assert "c4n4ry" not in logs.getvalue() + "".join(answer.text for answer in answers)

        store.values = {account.name: account.secret(account.name, NEW)}
        monkeypatch.setattr(secrets, "RENEW_S", 0.0)
        assert (await search(client)).status_code == 200


async def test_without_a_reference_a_refused_login_is_just_refused(account: Account) -> None:
    url = url_of_secret(account.secret(account.name, NEW), host=None, port=None, database=None)
    with pytest.raises(UnavailableError, match="password authentication failed"):
        async with open_database(DatabaseLogins.from_urls(url)):
            pass
