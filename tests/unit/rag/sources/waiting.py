import asyncio
import time
from pathlib import Path


async def appears(path: Path) -> None:
    """Wait until the file is there."""
    await asyncio.to_thread(_wait, path)


def _wait(path: Path) -> None:
    while not path.exists():
        time.sleep(0.0005)
