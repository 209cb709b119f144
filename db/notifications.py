"""Being told of new work: Postgres's LISTEN, on a connection of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import structlog

from db.addresses import Login
from db.pool import connect
from rag.errors import UnavailableError

log = structlog.get_logger(__name__)

RECONNECT_S = 5.0


@asynccontextmanager
async def listen(login: Login, channel: str) -> AsyncIterator[asyncio.Event]:
    """An event that is set at each notification, and whenever some may have been missed.

    The connection is opened in the background and again whenever it is lost; whoever waits for the event
    should look by themselves now and then.
    """
    event = asyncio.Event()
    task = asyncio.create_task(_keep_listening(login, channel, event))
    try:
        yield event
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep_listening(login: Login, channel: str, event: asyncio.Event) -> None:
    while True:
        try:
            connection = await connect(login)
        except UnavailableError:
            log.warning("listening_failed", channel=channel)
        else:
            await _listen_until_lost(connection, channel, event)
        event.set()
        await asyncio.sleep(RECONNECT_S)


async def _listen_until_lost(
    connection: "asyncpg.Connection[asyncpg.Record]", channel: str, event: asyncio.Event
) -> None:
    lost = asyncio.Event()
    connection.add_termination_listener(lambda *_: lost.set())
    try:
        await connection.add_listener(channel, lambda *_: event.set())
        event.set()
        await lost.wait()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        log.warning("listening_failed", channel=channel)
    finally:
        connection.terminate()
