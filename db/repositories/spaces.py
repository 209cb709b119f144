from db.pool import Connection

FIND = "SELECT id FROM embedding_spaces WHERE model = $1 AND dimensions = $2"


async def find(connection: Connection, *, model: str, dimensions: int) -> int | None:
    """The id of an embedding space; None when it was never made."""
    space: int | None = await connection.fetchval(FIND, model, dimensions)
    return space
