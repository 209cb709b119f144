"""Bring the configured database to the newest schema: `scripts/migrate.py`. Safe to run at any time."""

import asyncio
import sys
from contextlib import AsyncExitStack

from app.services import prepare_schema
from app.settings import Settings
from db.bootstrap import embedded_database
from observability.logs import configure_logs
from rag.errors import GroundworkError
from rag.models.registry import LocalModels, load_embedding_model


async def run(settings: Settings) -> None:
    async with AsyncExitStack() as stack:
        logins = settings.database_logins()
        if logins is None:
            logins = await stack.enter_async_context(embedded_database(settings.data_dir))
        await prepare_schema(logins, load_embedding_model(settings.embedding_model, LocalModels()))


def main() -> int:
    settings = Settings()
    configure_logs(level=settings.log_level, log_format=settings.log_format)
    try:
        asyncio.run(run(settings))
    except GroundworkError as exc:
        print(f"Cannot migrate: {exc}", file=sys.stderr)
        return 1
    print("The database is at the newest version.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
