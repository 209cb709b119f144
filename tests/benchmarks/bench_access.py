"""What it takes to find out who asks and whether they may go on: medians of a small request."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.access.roles import Role
from db.addresses import DatabaseLogins
from db.pool import open_database
from rag.models.local import LocalModels
from tests.benchmarks.report import BenchmarkRow, for_information
from tests.integration.app.access import PEPPER, KeyMaker, bearer
from tests.integration.conftest import running_service, settings_for
from tests.integration.servers import migrate_template, open_server
from tests.standins.issuer import AUDIENCE, Issuer, issuer_server

REQUESTS = 1000
WARM_UP = 100
ROUTE = "/ingest?limit=1"  # one query that finds nothing


@dataclass(frozen=True, slots=True)
class Way:
    """One way to ask: what the service checks, and the headers of its callers, who take turns."""

    name: str
    settings: dict[str, object]
    headers: Sequence[dict[str, str]]


def run() -> list[BenchmarkRow]:
    return asyncio.run(_run())


async def _run() -> list[BenchmarkRow]:
    models = LocalModels()
    rows: list[BenchmarkRow] = []
    async with _database() as logins:
        with issuer_server() as issuer:
            for way in await _ways(logins, issuer):
                settings = settings_for(logins, role="api", log_level="ERROR", **way.settings)
                async with running_service(settings, models) as client:
                    taken = await _ask(client, way.headers)
                rows.append(for_information(f"{way.name}, p50", statistics.median(taken), "ms"))
    added = [for_information(f"{row.name}, added", row.value - rows[0].value, "ms") for row in rows[1:]]
    return rows + added


@asynccontextmanager
async def _database() -> AsyncIterator[DatabaseLogins]:
    with _open_folder() as folder:
        async with open_server(folder) as server:
            name = await migrate_template(server)
            yield await server.logins(name)


@contextmanager
def _open_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="groundwork-bench-") as folder:
        Path(folder).chmod(0o755)  # the server runs as another user
        yield Path(folder)


async def _ways(logins: DatabaseLogins, issuer: Issuer) -> list[Way]:
    async with open_database(logins) as database:
        maker = KeyMaker(database)
        keys = [await maker.headers(Role.ADMIN) for _ in range(REQUESTS + WARM_UP)]
    token = bearer(issuer.token(groups=["tenant:default", "role:admin"], exp=int(time.time()) + 3600))
    by_key: dict[str, object] = {"auth_mode": "api_key", "api_key_pepper": PEPPER, "rate_limits": "off"}
    by_token: dict[str, object] = {
        "auth_mode": "oidc",
        "oidc_issuer": issuer.url,
        "oidc_audience": AUDIENCE,
        "rate_limits": "off",
    }
    return [
        Way("no authentication", {"auth_mode": "none", "rate_limits": "off"}, [{}]),
        Way("a key that was just seen", by_key, keys[:1]),
        Way("a key that was not seen yet", by_key, keys),
        Way("a token", by_token, [token]),
        Way("rate limits alone", {"auth_mode": "none", "rate_limits": "on"}, [{}]),
        Way("a key that was just seen, and rate limits", by_key | {"rate_limits": "on"}, keys[:1]),
    ]


async def _ask(client: httpx.AsyncClient, headers: Sequence[dict[str, str]]) -> list[float]:
    taken = []
    for number in range(WARM_UP + REQUESTS):
        request = client.build_request("GET", ROUTE, headers=headers[number % len(headers)])
        began = time.perf_counter()
        response = await client.send(request)
        taken.append((time.perf_counter() - began) * 1000)
        response.raise_for_status()
    return taken[WARM_UP:]
