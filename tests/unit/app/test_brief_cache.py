import asyncio

import pytest

from app.access.brief_cache import LASTS_S, BriefCache
from rag.errors import UnauthenticatedError


class Source:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_known = True

    async def look_up(self, key: str) -> str:
        self.asked += 1
        await asyncio.sleep(0.02)
        if not self.is_known:
            raise UnauthenticatedError(key)
        return f"{key} {self.asked}"


async def test_who_asks_at_once_shares_a_look_up() -> None:
    source = Source()
    cache = BriefCache(source.look_up)
    found = await asyncio.gather(*(cache.get("a") for _ in range(50)), cache.get("b"))
    assert {text[0] for text in found} == {"a", "b"}
    assert source.asked == 2


async def test_a_result_is_forgotten_in_time_for_a_revocation() -> None:
    source = Source()
    cache = BriefCache(source.look_up)
    await cache.get("a")
    source.is_known = False
    assert await cache.get("a")
    await asyncio.sleep(LASTS_S)
    with pytest.raises(UnauthenticatedError):
        await cache.get("a")
    assert LASTS_S <= 0.5


async def test_a_failure_is_told_to_all_who_wait_and_not_kept() -> None:
    source = Source()
    source.is_known = False
    cache = BriefCache(source.look_up)
    told = await asyncio.gather(*(cache.get("a") for _ in range(5)), return_exceptions=True)
    assert all(isinstance(error, UnauthenticatedError) for error in told)
    source.is_known = True
    assert await cache.get("a") == "a 2"


async def test_one_caller_who_goes_away_ends_it_for_nobody_else() -> None:
    cache = BriefCache(Source().look_up)
    going, staying = (asyncio.create_task(cache.get("a")) for _ in range(2))
    await asyncio.sleep(0.001)
    going.cancel()
    assert (await staying).startswith("a")


async def test_memory_is_bounded() -> None:
    async def known(number: int) -> int:
        return number

    cache = BriefCache(known, max_entries=10)
    for number in range(100):
        assert await cache.get(number) == number
    assert len(cache) <= 10
