"""What it takes to find out who asks and whether they may go on, added to a small request.

Each way is asked in turn, request by request, so that a machine that slows down slows all of them; what one
adds is the median of its differences to the request of the same round that checks nothing.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.access.roles import Role
from db.addresses import DatabaseLogins
from db.pool import open_database
from rag.models.local import LocalModels
from tests.benchmarks.report import BenchmarkRow, at_most, for_information
from tests.integration.app.access import PEPPER, KeyMaker, bearer
from tests.integration.conftest import running_service, settings_for
from tests.integration.servers import migrate_template, open_server
from tests.standins.issuer import AUDIENCE, Issuer, issuer_server

REQUESTS = 1000
WARM_UP = 100
ROUTE = "/ingest?limit=1"  # one query that finds nothing


@dataclass(frozen=True, slots=True)
class Way:
    """One way to ask: what the service checks, and the headers of its callers, who take turns.

    Attributes:
        most_ms: What it may add to the median.
    """

    name: str
    settings: dict[str, object]
    headers: Sequence[dict[str, str]]
    most_ms: float | None = None


def run() -> list[BenchmarkRow]:
    return asyncio.run(_run())


async def _run() -> list[BenchmarkRow]:
    models = LocalModels()
    async with AsyncExitStack() as stack:
        logins = await stack.enter_async_context(_database())
        issuer = stack.enter_context(issuer_server())
        ways = await _ways(logins, issuer)
        clients = []
        for way in ways:
            settings = settings_for(logins, role="api", log_level="ERROR", **way.settings)
            clients.append(await stack.enter_async_context(running_service(settings, models)))
        taken = await _ask_in_turn(ways, clients)
    nothing = taken[0]
    rows = [for_information(f"{ways[0].name}, p50", statistics.median(nothing), "ms")]
    for way, times in zip(ways[1:], taken[1:], strict=True):
        added = statistics.median(time - base for time, base in zip(times, nothing, strict=True))
        name = f"{way.name}, added p50"
        row = for_information(name, added, "ms")
        rows.append(row if way.most_ms is None else at_most(name, added, way.most_ms, "ms"))
    return rows


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
        Way("a key that was just seen", by_key, keys[:1], most_ms=0.3),
        Way("a key that was not seen yet", by_key, keys),
        Way("a token", by_token, [token], most_ms=0.5),
        Way("rate limits alone", {"auth_mode": "none", "rate_limits": "on"}, [{}], most_ms=1.0),
        Way("a key that was just seen, and rate limits", by_key | {"rate_limits": "on"}, keys[:1]),
    ]


async def _ask_in_turn(ways: Sequence[Way], clients: Sequence[httpx.AsyncClient]) -> list[list[float]]:
    """Times in milliseconds of each way, round by round."""
    taken: list[list[float]] = [[] for _ in ways]
    for number in range(WARM_UP + REQUESTS):
        for way, client, times in zip(ways, clients, taken, strict=True):
            headers = way.headers[number % len(way.headers)]
            request = client.build_request("GET", ROUTE, headers=headers)
            began = time.perf_counter()
            response = await client.send(request)
            times.append((time.perf_counter() - began) * 1000)
            response.raise_for_status()
    return [times[WARM_UP:] for times in taken]
