import httpx
import pytest

from app.factory import create_app
from app.setting_problems import SettingsError
from app.settings import Settings

OURS = "https://app.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
DOCUMENTATION = ("/docs", "/redoc", "/openapi.json")


def client(**settings: object) -> httpx.AsyncClient:
    """Of a service that was not started: it answers what needs no database."""
    app = create_app(Settings(_env_file=None, **settings))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def test_without_the_setting_no_origin_may_call() -> None:
    async with client(auth_mode="none") as service:
        answer = await service.get("/health/live", headers={"Origin": OURS})
        asked = await service.options("/chat", headers={"Origin": OURS, **PREFLIGHT})
    assert "access-control-allow-origin" not in answer.headers
    assert "access-control-allow-origin" not in asked.headers


@pytest.mark.parametrize(
    ("origin", "may"),
    [
        (OURS, True),
        ("https://two.example:8443", True),
        ("https://app.example.evil.example", False),
        ("http://app.example", False),
        ("https://app.example:444", False),
        ("null", False),
    ],
)
async def test_only_the_named_origins_may_call(origin: str, may: bool) -> None:
    async with client(auth_mode="none", cors_origins=f"{OURS}, https://two.example:8443") as service:
        answer = await service.get("/health/live", headers={"Origin": origin})
        asked = await service.options("/chat", headers={"Origin": origin, **PREFLIGHT})
    allowed = origin if may else None
    assert answer.headers.get("access-control-allow-origin") == allowed
    assert asked.headers.get("access-control-allow-origin") == allowed
    assert "access-control-allow-credentials" not in answer.headers
    assert "Origin" in answer.headers["vary"]
    assert answer.headers["x-content-type-options"] == asked.headers["x-content-type-options"] == "nosniff"


async def test_an_error_can_be_read_by_a_page_that_may_call() -> None:
    async with client(auth_mode="none", cors_origins=OURS) as service:
        answer = await service.get("/nowhere", headers={"Origin": OURS})
    assert answer.status_code == 404
    assert answer.headers["access-control-allow-origin"] == OURS
    assert "X-Request-ID" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    "origins", ["*", "null", "app.example", f"{OURS}/", f"{OURS}/path", "https://*.example"]
)
def test_an_origin_is_exact(origins: str) -> None:
    with pytest.raises(SettingsError, match="CORS_ORIGINS"):
        Settings(_env_file=None, auth_mode="none", cors_origins=origins)


def test_other_origins_need_authentication_or_its_refusal_in_so_many_words() -> None:
    with pytest.raises(SettingsError, match="AUTH_MODE is needed by CORS_ORIGINS"):
        Settings(_env_file=None, cors_origins=OURS)


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({}, True),
        ({"auth_mode": "none"}, True),
        ({"docs": False}, False),
        ({"auth_mode": "api_key"}, False),
        ({"auth_mode": "api_key", "docs": True}, True),
    ],
)
async def test_documentation_is_for_those_who_may_use_the_service_anyway(
    settings: dict[str, object], shown: bool
) -> None:
    async with client(api_key_pepper="p" * 32, **settings) as service:
        statuses = {(await service.get(path)).status_code for path in DOCUMENTATION}
    assert statuses == {200 if shown else 404}


async def test_strict_transport_is_said_only_where_it_is_set() -> None:
    async with client() as plain, client(hsts_s=31536000) as secure:
        answers = [await each.get("/health/live") for each in (plain, secure)]
    assert "strict-transport-security" not in answers[0].headers
    assert answers[1].headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
