"""Embedding spaces: which there are, which one answers, and the lock that a switch takes."""

from dataclasses import dataclass

from db.pool import Connection
from rag.errors import UnavailableError

SWITCH_KEY = 0x7377697463  # "switc": writers share it, a switch has it alone

FIND = "SELECT id FROM embedding_spaces WHERE model = $1 AND dimensions = $2"
ACTIVE = "SELECT id, model, dimensions FROM embedding_spaces WHERE active"
INACTIVE = "SELECT id, model, dimensions FROM embedding_spaces WHERE NOT active ORDER BY id"
# In two statements: what the second one sees is later than the lock.
SHARE_LOCK = "SELECT pg_advisory_xact_lock_shared($1)"
IS_ACTIVE = "SELECT active FROM embedding_spaces WHERE id = $1"


@dataclass(frozen=True, slots=True)
class Space:
    """Vectors of one model and one number of dimensions; only they can be compared."""

    id: int
    model: str
    dimensions: int


class SpaceRetiredError(UnavailableError):
    """Another embedding space has taken over: what was made for this one is of no use any more."""


async def find(connection: Connection, *, model: str, dimensions: int) -> int | None:
    """The id of an embedding space; None when it was never made."""
    space: int | None = await connection.fetchval(FIND, model, dimensions)
    return space


async def active(connection: Connection) -> Space | None:
    """The space that searches look into; None in a database that was never served."""
    row = await connection.fetchrow(ACTIVE)
    return Space(**row) if row else None


async def inactive(connection: Connection) -> list[Space]:
    """All other spaces."""
    return [Space(**row) for row in await connection.fetch(INACTIVE)]


async def hold_active(connection: Connection, space_id: int) -> None:
    """Make sure that the space stays the active one until the transaction ends.

    Raises:
        SpaceRetiredError: It is not.
    """
    await connection.execute(SHARE_LOCK, SWITCH_KEY)
    if not await connection.fetchval(IS_ACTIVE, space_id):
        raise SpaceRetiredError(f"embedding space {space_id} is no longer the active one")
