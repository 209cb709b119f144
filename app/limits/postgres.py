"""Limits that hold across processes, kept in Postgres and taken in batches."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from hashlib import blake2b
from uuid import UUID

import asyncpg
import structlog

from app.access.identity import Identity
from app.access.roles import Role
from app.limits.admission import ADMITTED, Admission, RouteClass
from db.pool import Database
from db.repositories import limits
from db.repositories.limits import Granted, Group, Standing
from rag.errors import GroundworkError

log = structlog.get_logger(__name__)

REMEMBERED_S = 1.0  # a refusal; a limit that is raised counts that much later at most
MANY = 10_000  # refusals to remember


@dataclass(frozen=True, slots=True)
class Need:
    """What a request takes of the tenant's tokens and dollars at most, as far as can be told before it runs.

    Zero stands for what can't be told but needs something to be left.
    """

    tokens: int = 0
    cost_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class _Caller:
    key: str | None
    route_class: RouteClass


@dataclass(slots=True)
class _Line:
    """Requests of a tenant that wait while others of the same tenant are looked at."""

    waiting: list[tuple[_Caller, "asyncio.Future[Admission]"]] = field(default_factory=list)


class PostgresLimits:
    """`app.limits.admission.Limits` of all processes on one database.

    One statement at a time is under way for each tenant. What comes meanwhile goes into the next one
    together: a tenant's rows are never queued for by more statements than there are processes, and nothing
    is taken that is not used at once.

    Args:
        database: Where limits are kept.
        needs: What requests of a class take of tokens and dollars; classes that use no models are left out.
        hold: How long a reservation counts that nobody ends, because its process has gone.
    """

    def __init__(self, database: Database, *, needs: Mapping[RouteClass, Need], hold: timedelta) -> None:
        self._database = database
        self._needs = needs
        self._hold = hold
        self._lines: dict[UUID, _Line] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._refusals: dict[tuple[UUID, _Caller], tuple[float, Admission]] = {}

    async def admit(self, identity: Identity, route: str) -> Admission:
        if identity.role is Role.OPERATOR:
            return ADMITTED
        caller = _Caller(_key(identity), RouteClass.of(route))
        return self._remembered(identity.tenant_id, caller) or await self._stand_in_line(
            identity.tenant_id, caller
        )

    async def end(self, identity: Identity, admission: Admission) -> None:
        if admission.reservation is None:
            return
        try:
            async with self._database.tenant(identity.tenant_id) as connection:
                await limits.end_reservation(connection, admission.reservation)
        except (GroundworkError, asyncpg.PostgresError):
            log.warning("reservation_not_ended", exc_info=True)  # it expires

    def _remembered(self, tenant_id: UUID, caller: _Caller) -> Admission | None:
        """The refusal that still holds: until its time, nothing more can have come free."""
        until, refusal = self._refusals.get((tenant_id, caller), (0.0, None))
        if time.monotonic() < until:
            return refusal
        self._refusals.pop((tenant_id, caller), None)
        return None

    async def _stand_in_line(self, tenant_id: UUID, caller: _Caller) -> Admission:
        future: asyncio.Future[Admission] = asyncio.get_running_loop().create_future()
        line = self._lines.get(tenant_id)
        if line is None:
            line = self._lines[tenant_id] = _Line()
            task = asyncio.create_task(self._serve(tenant_id, line))
            self._serving.add(task)  # a task that nobody refers to may be collected
            task.add_done_callback(self._serving.discard)
        line.waiting.append((caller, future))
        return await future

    async def _serve(self, tenant_id: UUID, line: _Line) -> None:
        try:
            while line.waiting:
                batch, line.waiting = line.waiting, []
                await self._settle(tenant_id, batch)
        finally:
            del self._lines[tenant_id]

    async def _settle(
        self, tenant_id: UUID, batch: Sequence[tuple[_Caller, "asyncio.Future[Admission]"]]
    ) -> None:
        """Give each of the batch its answer; an error is everybody's."""
        callers = Counter(caller for caller, _ in batch)
        try:
            groups = [self._group(caller, count) for caller, count in callers.items()]
            granted = await limits.admit(self._database, tenant_id, groups, hold=self._hold)
        except BaseException as exc:  # the task's boundary: whoever waits learns of it
            for _, future in batch:
                if not future.done():
                    future.set_exception(exc)
            if not isinstance(exc, Exception):
                raise
            return
        answers = {
            caller: self._answers(tenant_id, caller, each)
            for caller, each in zip(callers, granted, strict=True)
        }
        for caller, future in batch:
            answer = next(answers[caller])
            if not future.done():
                future.set_result(answer)

    def _group(self, caller: _Caller, count: int) -> Group:
        need = self._needs.get(caller.route_class)
        tokens, cost = (need.tokens, need.cost_usd) if need else (None, None)
        return Group(caller.key, caller.route_class, count, tokens, cost)

    def _answers(self, tenant_id: UUID, caller: _Caller, granted: Granted) -> Iterator[Admission]:
        reservations = iter(granted.reservations)
        for _ in range(granted.count):
            yield Admission(granted.standings, reservation=next(reservations, None))
        in_the_way = _longest(granted.standings)
        refused = Admission(granted.standings, refused_by=in_the_way)
        if in_the_way.is_rate:
            self._remember(tenant_id, caller, refused, for_s=in_the_way.reset_s or 0)
        while True:
            yield refused

    def _remember(self, tenant_id: UUID, caller: _Caller, refused: Admission, *, for_s: float) -> None:
        if len(self._refusals) >= MANY:
            self._refusals.clear()
        self._refusals[tenant_id, caller] = time.monotonic() + min(for_s, REMEMBERED_S), refused


def _longest(standings: Sequence[Standing]) -> Standing:
    """Of the limits in the way, the one that takes longest to be out of it."""
    in_the_way = [standing for standing in standings if standing.refuses] or standings
    return max(in_the_way, key=lambda standing: standing.reset_s or 0)


def _key(identity: Identity) -> str | None:
    """Names the caller. People's names are not written into limits."""
    if identity.key_id is not None:
        return f"key:{identity.key_id}"
    if identity.subject is None:
        return None
    return f"subject:{blake2b(identity.subject.encode(), digest_size=16).hexdigest()}"
