"""What the sandbox's tests share: a parser that obeys, and ways to see what became of it."""

import time
from pathlib import Path

import psutil

from rag.sandbox.limits import Limits
from rag.sandbox.pool import Sandbox

OBEY = "tests.unit.rag.sandbox.hostile:obey"
ECHO = "tests.unit.rag.sandbox.hostile:echo"
LIMITS = Limits(memory_mb=256, cpu_s=20, wall_s=60, output_mb=1)
CRASHED = "the file crashed its reader: it may be broken, or need more than 256 MB of memory"
TOO_LARGE = "the file needs more than 256 MB of memory to read"
_PATIENCE_S = 10.0


async def text_of(sandbox: Sandbox, path: Path) -> str:
    return (await sandbox.parse(path, filename=None, mime_type=None)).text


def read_when_written(path: Path) -> str:
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.01)
    raise TimeoutError(path)


def ends(pid: int) -> bool:
    """Whether the process ends before long; one that nobody has reaped counts as gone."""
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False
