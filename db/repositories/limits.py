"""Limits of tenants: by plan, with their own in place of the plan's; and what is taken of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from db.pool import Connection, Database
from rag.errors import LimitExceededError, RateLimitedError

ADMIT = "SELECT granted, reservations, standings FROM admit_requests($1, $2, $3, $4, $5, $6, $7)"
END_RESERVATION = "DELETE FROM quota_reservations WHERE id = $1"
QUOTAS = """
SELECT name, quota::float8 AS limit, used::float8 AS used, reset_s
FROM quota_standings($1, limits_of($1))
UNION ALL
SELECT 'documents', (limits_of($1) ->> 'documents')::float8, count(*)::float8, NULL
FROM source_documents WHERE tenant_id = $1
UNION ALL
SELECT 'storage', (limits_of($1) ->> 'storage_bytes')::float8, coalesce(sum(byte_size), 0)::float8, NULL
FROM source_versions WHERE tenant_id = $1
"""
# One transaction at a time brings documents of a tenant in, so that what it counts is all there is.
LOCK_ROOM = "SELECT pg_advisory_xact_lock(hashtextextended('room:' || $1::uuid::text, 0))"
HAS_ROOM_LIMITS = """
SELECT limits ->> 'documents' IS NOT NULL OR limits ->> 'storage_bytes' IS NOT NULL
FROM limits_of($1) limits
"""
# With what waits or is being taken in under a name that is not stored yet. The count can't run far beyond the
# limit, so neither can its time.
ROOM = """
SELECT (limits ->> 'documents')::bigint AS documents_limit,
    (limits ->> 'storage_bytes')::bigint AS bytes_limit,
    (SELECT count(*) FROM source_documents WHERE tenant_id = $1) + CASE WHEN $2 THEN (
        SELECT count(DISTINCT j.source_document_id) FROM jobs j
        WHERE j.tenant_id = $1 AND j.kind = 'ingest' AND j.state IN ('queued', 'running') AND NOT EXISTS (
            SELECT FROM source_documents s
            WHERE s.tenant_id = $1 AND s.source_document_id = j.source_document_id)) ELSE 0 END AS documents,
    (SELECT coalesce(sum(byte_size), 0) FROM source_versions WHERE tenant_id = $1)::bigint
    + CASE WHEN $2 THEN (
        SELECT coalesce(sum(length(f.data)), 0) FROM jobs j JOIN job_files f ON f.job_id = j.id
        WHERE j.tenant_id = $1 AND j.state IN ('queued', 'running')) ELSE 0 END::bigint AS bytes
FROM limits_of($1) limits
"""
PLANS = "SELECT name FROM plans ORDER BY name"
OF_TENANT = """
SELECT plan, coalesce(settings -> 'limits', '{}') AS own, limits_of(id) AS limits FROM tenants WHERE id = $1
"""
SET_PLAN = """
UPDATE tenants SET plan = $2 WHERE id = $1 AND EXISTS (SELECT FROM plans WHERE name = $2) RETURNING id
"""
SET_OWN = "UPDATE tenants SET settings = jsonb_set(settings, '{limits}', $2::jsonb) WHERE id = $1"
FORGET = [
    "DELETE FROM rate_slots WHERE tenant_id = $1 AND slot < extract(epoch FROM now()) * 2 - 240",
    "DELETE FROM quota_reservations WHERE tenant_id = $1 AND expires_at < now()",
    "DELETE FROM request_counts WHERE tenant_id = $1 AND day < now() - interval '400 days'",
]


@dataclass(frozen=True, slots=True)
class Standing:
    """How much of a limit is used.

    Attributes:
        name: `tenant`, `key` or a class of routes for rates; else a quota's, such as `tokens-month`.
        limit: How much of it there is.
        used: How much was used or is reserved.
        reset_s: Seconds until there is more again; None if time alone brings none.
        need: What a request of this kind takes of it.
        is_rate: It is of requests per minute.
    """

    name: str
    limit: float
    used: float
    reset_s: float | None = None
    need: float = 0
    is_rate: bool = False

    @property
    def left(self) -> float:
        return max(self.limit - self.used, 0)

    @property
    def refuses(self) -> bool:
        """Whether one more request doesn't fit."""
        return self.left <= 0 or self.left < self.need

    def refusal(self) -> LimitExceededError:
        """The error of a request that doesn't fit."""
        kind = RateLimitedError if self.is_rate else LimitExceededError
        return kind(
            f"the limit {self.name!r} leaves no room: {self.used:.6g} of {self.limit:.6g} used or reserved",
            scope=self.name,
            limit=self.limit,
            used=self.used,
            reset=_moment_in(self.reset_s),
        )


@dataclass(frozen=True, slots=True)
class Quota:
    """How much of a quota is used, and when it begins anew; without a limit, there is no end to it."""

    name: str
    limit: float | None
    used: float
    reset_s: float | None

    @property
    def left(self) -> float | None:
        return None if self.limit is None else max(self.limit - self.used, 0)

    @property
    def reset(self) -> datetime | None:
        return _moment_in(self.reset_s)


@dataclass(frozen=True, slots=True)
class Group:
    """Requests of one tenant that take the same of its limits.

    Attributes:
        key: Names the caller for the rate of one key; None for a caller without one.
        route_class: Names their routes for the rate of a class.
        count: How many they are.
        tokens: The most that each is expected to need; 0 where that can't be told but some must be left, None
            where it needs none.
        cost_usd: The same in US dollars.
    """

    key: str | None
    route_class: str
    count: int
    tokens: int | None
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Granted:
    """How many of a group are let in, what each has reserved, and the limits afterwards."""

    count: int
    reservations: list[UUID]
    standings: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """A tenant's plan, what it has of its own in the plan's place, and both together."""

    plan: str
    own: dict[str, Any]
    limits: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Room:
    """Documents and bytes of a tenant, and how many it may have."""

    documents_limit: int | None
    bytes_limit: int | None
    documents: int
    bytes: int

    def check(self) -> None:
        """Raises: LimitExceededError when there is more than there may be."""
        if self.documents_limit is not None and self.documents > self.documents_limit:
            raise Standing("documents", self.documents_limit, self.documents).refusal()
        if self.bytes_limit is not None and self.bytes > self.bytes_limit:
            raise Standing("storage", self.bytes_limit, self.bytes).refusal()


def _moment_in(seconds: float | None) -> datetime | None:
    """To the nearest second: what ends with the day ends at midnight, however long the question took."""
    if seconds is None:
        return None
    return (datetime.now(UTC) + timedelta(seconds=seconds + 0.5)).replace(microsecond=0)


async def admit(
    database: Database, tenant_id: UUID, groups: Sequence[Group], *, hold: timedelta
) -> list[Granted]:
    """Take what the groups need, for as many of each as there is enough for. One statement, one round trip.

    Args:
        database: Where limits are kept.
        tenant_id: Whose requests they are.
        groups: The requests.
        hold: After that time, a reservation that nobody ended counts no longer.
    """
    columns = zip(*((g.key, g.route_class, g.count, g.tokens, g.cost_usd) for g in groups), strict=True)
    rows = await database.call(ADMIT, tenant_id, *map(list, columns), hold)
    return [
        Granted(
            row["granted"],
            row["reservations"] or [],
            tuple(Standing(**standing) for standing in row["standings"]),
        )
        for row in rows
    ]


async def end_reservation(connection: Connection, reservation: UUID) -> None:
    """Let it count no longer. What was used is in the ledger by then."""
    await connection.execute(END_RESERVATION, reservation)


async def quotas(connection: Connection, tenant_id: UUID) -> list[Quota]:
    """What is used of each quota; rates are left out."""
    return [Quota(**row) for row in await connection.fetch(QUOTAS, tenant_id)]


async def check_room(connection: Connection, tenant_id: UUID, *, with_waiting: bool) -> None:
    """Check what the transaction has brought in, at its end; with all that waits to be taken in, or without.

    Raises:
        LimitExceededError: The tenant has more documents or bytes than it may.
    """
    if not await connection.fetchval(HAS_ROOM_LIMITS, tenant_id):
        return
    await connection.execute(LOCK_ROOM, tenant_id)
    row = await connection.fetchrow(ROOM, tenant_id, with_waiting)
    assert row is not None, "no condition"  # noqa: S101 - narrows the type
    Room(**row).check()


async def plans(connection: Connection) -> list[str]:
    return [row["name"] for row in await connection.fetch(PLANS)]


async def of_tenant(connection: Connection, tenant_id: UUID) -> TenantLimits | None:
    row = await connection.fetchrow(OF_TENANT, tenant_id)
    return TenantLimits(**row) if row else None


async def set_plan(connection: Connection, tenant_id: UUID, plan: str) -> bool:
    """Put the tenant on a plan; whether both are there. Counts at once."""
    return await connection.fetchval(SET_PLAN, tenant_id, plan) is not None


async def set_own(connection: Connection, tenant_id: UUID, own: Mapping[str, Any]) -> None:
    """Replace what the tenant has in place of its plan's limits; None lifts one. Counts at once."""
    await connection.execute(SET_OWN, tenant_id, dict(own))


async def forget(connection: Connection, tenant_id: UUID) -> None:
    """Delete what no limit looks at any more."""
    for statement in FORGET:
        await connection.execute(statement, tenant_id)
