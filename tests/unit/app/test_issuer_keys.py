"""Keys of an issuer that rotates them, fails, is slow, or is not the one that it should be."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from app.access.issuer_keys import IssuerKeys, is_safe_url, open_issuer_keys
from rag.errors import InvalidInputError, UnauthenticatedError, UnavailableError
from tests.standins.issuer import Issuer, issuer_server, new_key


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuer_server() as opened:
        yield opened


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


def keys_of(
    issuer: Issuer, http: httpx.AsyncClient, *, max_age_s: float = 60, retry_s: float = 0
) -> IssuerKeys:
    return IssuerKeys(http, issuer=issuer.url, jwks_url=None, max_age_s=max_age_s, retry_s=retry_s)


async def test_keys_are_fetched_once_for_all_who_wait(issuer: Issuer, http: httpx.AsyncClient) -> None:
    keys = keys_of(issuer, http, retry_s=10)
    found = await asyncio.gather(*(keys.find("first") for _ in range(20)))
    assert {key.kid for key in found} == {"first"}
    assert issuer.fetches == 1


async def test_an_unknown_id_is_looked_up_again_but_not_all_the_time(
    issuer: Issuer, http: httpx.AsyncClient
) -> None:
    keys = keys_of(issuer, http, retry_s=2)
    await keys.find("first")
    issuer.keys.append(new_key("second"))
    with pytest.raises(UnauthenticatedError):
        await keys.find("second")
    await asyncio.sleep(2.1)
    assert (await keys.find("second")).kid == "second"
    before = issuer.fetches
    for number in range(20):
        with pytest.raises(UnauthenticatedError):
            await keys.find(f"forged-{number}")
    assert issuer.fetches == before


async def test_a_withdrawn_key_is_no_longer_found(issuer: Issuer, http: httpx.AsyncClient) -> None:
    keys = keys_of(issuer, http)
    await keys.find("first")
    issuer.keys = [new_key("second")]
    await keys.refresh()
    with pytest.raises(UnauthenticatedError):
        await keys.find("first")


async def test_an_issuer_that_is_away_closes_the_service_when_its_keys_are_old(
    issuer: Issuer, http: httpx.AsyncClient
) -> None:
    keys = keys_of(issuer, http, max_age_s=0.3)
    await keys.find("first")
    issuer.status = 500
    await keys.refresh()
    assert (await keys.find("first")).kid == "first"
    with pytest.raises(UnavailableError):  # it may be a new one
        await keys.find("second")
    await asyncio.sleep(0.35)
    with pytest.raises(UnavailableError):
        await keys.find("first")
    issuer.status = 200
    assert (await keys.find("first")).kid == "first"


async def test_a_slow_issuer_holds_up_nobody_whose_key_is_known(
    issuer: Issuer, http: httpx.AsyncClient
) -> None:
    keys = keys_of(issuer, http)
    await keys.find("first")
    issuer.delay = threading.Event()
    slow = asyncio.create_task(keys.find("second"))
    await asyncio.sleep(0.1)
    assert (await asyncio.wait_for(keys.find("first"), 0.1)).kid == "first"
    issuer.delay.set()
    with pytest.raises(UnauthenticatedError):
        await slow


@pytest.mark.parametrize(
    "answer",
    [
        {"discovery": {"issuer": "https://evil.example"}},
        {"discovery": {"jwks_uri": "http://192.0.2.1/jwks"}},
        {"discovery": {"jwks_uri": "file:///etc/passwd"}},
        {"discovery": {"jwks_uri": 7}},
        {"status": 302, "redirect": "http://169.254.169.254/latest"},
        {"status": 404},
        {"body": b"not json"},
        {"body": b"[" * 100_000},
        {"body": b"[]"},
        {"body": b" " * 2_000_000 + b"{}"},
        {"keys": []},
        {"keys": [new_key("first", "HS256")]},
    ],
    ids=[
        "another issuer",
        "keys elsewhere",
        "keys in a file",
        "keys at a number",
        "redirected",
        "not found",
        "no JSON",
        "deeply nested",
        "a list",
        "too large",
        "no keys",
        "a symmetric key",
    ],
)
async def test_what_is_not_a_set_of_the_issuers_keys_is_not_used(
    issuer: Issuer, http: httpx.AsyncClient, answer: dict[str, object]
) -> None:
    for name, value in answer.items():
        setattr(issuer, name, value)
    with pytest.raises(UnavailableError):
        await keys_of(issuer, http).find("first")


async def test_a_token_without_a_key_id_needs_an_issuer_with_one_key(
    issuer: Issuer, http: httpx.AsyncClient
) -> None:
    keys = keys_of(issuer, http)
    assert (await keys.find(None)).kid == "first"
    issuer.keys.append(new_key("second"))
    await keys.refresh()
    with pytest.raises(UnauthenticatedError):
        await keys.find(None)


async def test_keys_are_followed_in_the_background(issuer: Issuer) -> None:
    async with open_issuer_keys(issuer=issuer.url, jwks_url=f"{issuer.url}/jwks", max_age_s=60) as keys:
        assert (await keys.find("first")).kid == "first"
    assert issuer.fetches == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example",
        "http://192.168.1.7:8080",
        "ftp://127.0.0.1",
        "https://user:word@login.example",
        "https://",
        "login.example",
    ],
)
async def test_an_address_that_could_be_listened_in_on_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match="https"):
        async with open_issuer_keys(issuer=url, jwks_url=None, max_age_s=60):
            pass


def test_https_and_this_machine_are_safe() -> None:
    assert all(map(is_safe_url, ("https://login.example/realms/a", "http://127.0.0.1:1", "http://[::1]:1")))
