"""A process of its own that asks to be let in, as fast as it can: `python -m ... URL ROLE TENANT KEY COUNT`.

Waits for a line on its standard input, so that several begin together; prints how many were let in.
"""

import asyncio
import sys
from datetime import timedelta
from uuid import UUID

from app.access.identity import Identity
from app.limits.postgres import PostgresLimits
from db.addresses import DatabaseLogins, Login
from db.pool import open_database


async def let_in(login: Login, identity: Identity, count: int) -> int:
    """How many of that many requests at once are let in."""
    async with open_database(DatabaseLogins(login, login, login)) as database:
        limits = PostgresLimits(database, needs={}, hold=timedelta(seconds=60))
        print("ready", flush=True)  # noqa: T201
        await asyncio.to_thread(sys.stdin.readline)
        admissions = await asyncio.gather(*(limits.admit(identity, "POST /chat") for _ in range(count)))
    return sum(admission.refused_by is None for admission in admissions)


if __name__ == "__main__":
    url, role, tenant, key, number = sys.argv[1:]
    caller = Identity(UUID(tenant), key_id=UUID(key))
    print(asyncio.run(let_in(Login(url, role=role or None), caller, int(number))))  # noqa: T201
