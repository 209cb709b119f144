"""Every route, by every caller, on their own objects and on another tenant's.

What is expected follows from the permission that a route declares and from nothing that the service answers.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID, uuid4

import httpx
import pytest

from app.access.roles import PERMISSIONS, Permission, Role
from db.addresses import DatabaseLogins
from db.pool import connect, open_database
from db.repositories import spaces
from rag.models.local import LocalModels
from tests.integration.app.access import PEPPER, KeyMaker
from tests.integration.app.aws import BUCKET, moto_aws
from tests.integration.conftest import running_service, settings_for
from tests.integration.security.callers import Caller, Callers
from tests.integration.security.canaries import CANARY, leaks, plant
from tests.integration.security.objects import Objects, Owner
from tests.integration.security.routes import PAGE, TABLE, Route, access_matrix, all_routes
from tests.standins.issuer import AUDIENCE, issuer_server
from tests.standins.otlp import Collector, otlp_collector

ROUTES = all_routes()
# What an operator does across tenants; all other objects are theirs alone whose tenant they are.
ACROSS = {Permission.MANAGE_TENANTS, Permission.MANAGE_KEYS, Permission.MANAGE_EXPERIMENTS}
# What of another tenant an operator is shown there.
OPERATOR_SEES = {"tenants", "api_keys", "experiments", "experiment_variants", "exposures", "fresh"}
# An own object that is refused all the same, and why.
REFUSED_OWN = {"DELETE /admin/tenants/{tenant_id}": 409}  # nobody deletes the tenant that they belong to
# Objects that are one subject's, not the whole tenant's.
PERSONAL = {"conversation_id", "request_id"}
# Routes that show them to whoever may see all of the tenant's.
TENANT_WIDE = {"GET /traces/{request_id}"}


class Target(StrEnum):
    """Whose the objects are that a request names."""

    OWN = "own"
    CLOSED = "closed by an access list"
    COLLEAGUE = "a colleague's"
    OTHER = "another tenant's"
    MISSING = "nobody's"


@dataclass(frozen=True, slots=True)
class World:
    """A running service with two tenants."""

    client: httpx.AsyncClient
    objects: Objects
    tenant_id: UUID
    other_id: UUID
    known: list[Caller]
    refused: list[Caller]
    spans: Collector

    async def request(self, route: Route, caller: Caller, target: Target) -> tuple[httpx.Response, str]:
        """The answer, and its text without what differs between any two requests."""
        named = {name: await self._object(name, route, caller, target) for name in route.objects}
        request = route.request(named, unique=f"n{uuid4().hex}")
        response = await self.client.request(**request, headers=caller.headers)
        text = response.text.replace(response.headers["X-Request-ID"], "<request>")
        for name, value in named.items():
            text = text.replace(str(value), f"<{name}>")
        return response, text

    async def _object(self, name: str, route: Route, caller: Caller, target: Target) -> UUID | str:
        if target is Target.MISSING and name != "subject":
            return uuid4()
        if name == "tenant_id" and target is Target.OWN:
            return self.tenant_id
        return await self.objects.make(name, self._owner(caller, target), path=route.path)

    def _owner(self, caller: Caller, target: Target) -> Owner:
        match target:
            case Target.OTHER:
                return Owner(self.other_id, caller.subject, f"{CANARY}-fresh")
            case Target.COLLEAGUE:
                return Owner(self.tenant_id, "a-colleague")
            case Target.CLOSED:
                return Owner(self.tenant_id, caller.subject, acl=("a-group-of-others",))
            case _:
                return Owner(self.tenant_id, caller.subject)


def expected(route: Route, caller: Caller, target: Target) -> set[int]:
    """The statuses that an answer may have."""
    if route.permission is None:
        return set(route.successes)
    if caller.refusal is not None:
        return {caller.refusal}
    if route.permission not in PERMISSIONS[caller.role]:
        return {403}
    if target is Target.OWN or (target is Target.OTHER and may_cross(route, caller)):
        own = REFUSED_OWN.get(str(route)) if target is Target.OWN else None
        return {own} if own else set(route.successes)
    return {404}


def may_cross(route: Route, caller: Caller) -> bool:
    return caller.role is Role.OPERATOR and route.permission in ACROSS


def targets(route: Route) -> list[Target]:
    """Whose objects there are that the route could be asked for."""
    found = [Target.OWN]
    if route.is_walled:
        found += [Target.OTHER, Target.MISSING]
    if "document_id" in route.objects:
        found.append(Target.CLOSED)
    is_personal = PERSONAL & set(route.objects) and str(route) not in TENANT_WIDE
    if is_personal or route.path.startswith("/me/exports/"):
        found.append(Target.COLLEAGUE)
    return found


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != "werkzeug":  # the stand-in of S3
            self.kept.append(self.format(record))


@pytest.fixture(scope="module")
def logged() -> Iterator[Lines]:
    lines = Lines()
    logging.getLogger().addHandler(lines)
    yield lines
    logging.getLogger().removeHandler(lines)


@pytest.fixture(scope="module")
async def world(logins: DatabaseLogins, local_models: LocalModels, logged: Lines) -> AsyncIterator[World]:
    with moto_aws() as aws, issuer_server() as issuer, otlp_collector() as spans:
        settings = settings_for(
            logins,
            auth_mode="api_key,oidc",
            api_key_pepper=PEPPER,
            oidc_issuer=issuer.url,
            oidc_audience=AUDIENCE,
            rate_limits="off",
            documents_bucket=BUCKET,
            role="api",  # jobs stay as they are
            otel_exporter_otlp_endpoint=spans.url,
            otel_traces_sampler_arg=1.0,
        )
        async with (
            running_service(settings, local_models) as client,
            open_database(logins) as database,
        ):
            async with database.system() as connection:
                space = await spaces.active(connection)
            assert space
            maker = KeyMaker(database)
            tenant_id, other_id = await maker.tenant("walker"), await maker.tenant("others")
            objects = Objects(database, space, aws, maker.keys)
            callers = Callers(database, issuer, tenant_id, "walker")
            known, refused = await callers.known(), await callers.refused()
            yield World(client, objects, tenant_id, other_id, known, refused, spans)


@pytest.fixture(scope="module")
async def canaries(world: World, logins: DatabaseLogins) -> set[str]:
    """The other tenant's tables without a row; all others have a canary in every text."""
    await world.objects.fill(Owner(world.other_id, "somebody-else", "theirs"))
    owner = await connect(logins.owner)
    try:
        return await plant(owner, world.other_id)
    finally:
        await owner.close()


def test_every_route_declares_what_it_needs() -> None:
    public = {str(route) for route in ROUTES if route.permission is None}
    assert public == {"GET /health", "GET /health/live", "GET /health/ready", "GET /metrics"}


def test_the_documentation_has_the_table_of_routes_and_roles() -> None:
    (table,) = TABLE.findall(PAGE.read_text(encoding="utf-8"))
    assert table == access_matrix(ROUTES), "run `make openapi`"


def test_there_are_thousands_of_cases(world: World) -> None:
    known = sum(len(targets(route)) for route in ROUTES) * len(world.known)
    refused = sum(route.permission is not None for route in ROUTES) * len(world.refused)
    assert known + refused >= 3000, (known, refused)


@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_a_route_lets_in_whom_it_says(
    route: Route, world: World, canaries: set[str], logged: Lines
) -> None:
    logged.kept.clear()
    wrong = []
    for caller in world.known:
        allowed = OPERATOR_SEES if may_cross(route, caller) else set()
        for target in targets(route):
            response, text = await world.request(route, caller, target)
            wanted = expected(route, caller, target)
            seen = leaks(text, dict(response.headers)) - allowed
            if response.status_code not in wanted or seen:
                wrong.append(f"{caller.name}, {target}: {response.status_code} {wanted} {seen} {text[:300]}")
    wrong += [line for line in logged.kept if leaks(line)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.permission], ids=str)
async def test_a_route_keeps_strangers_out(
    route: Route, world: World, canaries: set[str], logged: Lines
) -> None:
    logged.kept.clear()
    own = {
        name: await world.objects.make(name, Owner(world.tenant_id, "x"), path=route.path)
        for name in route.objects
    }
    wrong = []
    for caller in world.refused:
        request = route.request(own, unique=f"n{uuid4().hex}")
        response = await world.client.request(**request, headers=caller.headers)
        challenge = response.headers.get("WWW-Authenticate", "")
        if response.status_code != caller.refusal or (response.status_code == 401) != ("Bearer" in challenge):
            wrong.append(f"{caller.name}: {response.status_code} {challenge} {response.text[:300]}")
    wrong += [line for line in logged.kept if leaks(line) or "gw_" in line or "eyJ" in line]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.is_walled], ids=str)
async def test_anothers_object_looks_like_none(route: Route, world: World) -> None:
    for caller in world.known:
        if expected(route, caller, Target.OTHER) == {404}:
            _, anothers = await world.request(route, caller, Target.OTHER)
            _, missing = await world.request(route, caller, Target.MISSING)
            assert anothers == missing, caller.name


async def test_a_path_that_is_nobodys_is_not_found_by_anybody(world: World) -> None:
    for caller in world.known:
        assert (await world.client.get("/nowhere", headers=caller.headers)).status_code == 404


def test_every_table_of_the_other_tenant_holds_a_canary(canaries: set[str]) -> None:
    assert canaries == set()


async def test_no_span_holds_what_is_the_other_tenants(world: World) -> None:
    """The last test: of all the requests above, whose spans arrive in their order."""
    last = "a" * 32
    headers = world.known[0].headers | {"traceparent": f"00-{last}-{'b' * 16}-01"}
    assert (await world.client.get("/documents", headers=headers)).status_code == 200
    for _ in range(200):
        if last in {span.trace_id for span in world.spans.spans}:
            break
        await asyncio.sleep(0.1)
    assert last in {span.trace_id for span in world.spans.spans}
    assert len(world.spans.spans) > 1000
    assert leaks(*(body.decode("latin-1") for body in world.spans.bodies)) == set()
