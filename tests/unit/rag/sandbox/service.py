"""A process with a sandbox: `python service.py LOOP ORDER…`; prints what became of each order, one a line."""

import asyncio
import sys
import tempfile
from pathlib import Path

import structlog
import uvloop

from rag.errors import GroundworkError
from rag.sandbox.limits import Limits
from rag.sandbox.pool import open_sandbox
from tests.unit.rag.sandbox.orders import OBEY, text_of

LIMITS = Limits(memory_mb=256, cpu_s=1, wall_s=20, output_mb=1)


async def main(orders: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "order")
        async with open_sandbox(LIMITS, processes=1, parser=OBEY) as sandbox:
            for order in orders:
                await asyncio.to_thread(path.write_text, order)
                try:
                    said = await text_of(sandbox, path)
                except GroundworkError as error:
                    said = str(error)
                sys.stdout.write(said + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    {"asyncio": asyncio.run, "uvloop": uvloop.run}[sys.argv[1]](main(sys.argv[2:]))
