"""Nobody who was erased comes back by what was still on its way."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from db.pool import Connection
from db.repositories import subjects
from rag.errors import ConflictError


async def check_in(connection: Connection, people: Sequence[str]) -> None:
    """Before anything is stored for these people, given by their digests.

    Raises:
        ConflictError: They are being erased at this moment.
    """
    if people and not await subjects.enter(connection, people):
        raise ConflictError("what is stored of you is being erased: ask again in a minute")


async def are_gone(
    connection: Connection, tenant_id: UUID, people: Sequence[str], *, began_at: datetime
) -> bool:
    """Whether one of them was erased after `began_at`, by the database's clock, or is being erased.

    If not, that stays so until the transaction ends.
    """
    if not await subjects.enter(connection, people):
        return True
    return await subjects.erased_since(connection, tenant_id, people, began_at)
