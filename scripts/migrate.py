"""Bring the configured database to the newest schema: `scripts/migrate.py`. Safe to run at any time."""

import asyncio
import sys
from contextlib import AsyncExitStack

from app.foundation import prepare_schema
from app.secrets import LiveSettings
from app.setting_problems import SettingsError
from app.settings import Settings
from db.bootstrap import embedded_database
from observability.logs import configure_logs
from rag.errors import GroundworkError
from rag.models.registry import Models


async def run(settings: Settings) -> None:
    async with AsyncExitStack() as stack:
        logins = LiveSettings(settings).database_logins()
        if logins is None:
            logins = await stack.enter_async_context(embedded_database(settings.data_dir))
        await prepare_schema(logins, Models().embedding_model(settings.embedding_model))


def main() -> int:
    try:
        settings = Settings()
        configure_logs(level=settings.log_level, log_format=settings.log_format)
        asyncio.run(run(settings))
    except GroundworkError as exc:
        print(f"Cannot migrate: {exc}", file=sys.stderr)
        return 2 if isinstance(exc, SettingsError) else 1
    print("The database is at the newest version.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
