"""Blocking calls beside the event loop, as many at a time as their executor has threads."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


async def in_executor(executor: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    """The result of `work`, which sees the caller's context variables.

    A caller that is cancelled goes on at once; the thread ends by the client's own time-out.
    """
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(executor, context.run, work)
