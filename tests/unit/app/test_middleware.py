import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.middleware import RequestIdMiddleware


async def crash(request: Request) -> Response:
    raise RuntimeError("the password is swordfish")


async def test_a_crash_is_a_problem_with_the_request_id_and_nothing_else() -> None:
    app = Starlette(routes=[Route("/", crash)], middleware=[Middleware(RequestIdMiddleware)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        response = await client.get("/", headers={"X-Request-ID": "abc"})
    assert response.status_code == 500
    assert response.headers["x-request-id"] == response.json()["request_id"] == "abc"
    assert response.headers["content-type"] == "application/problem+json"
    assert "swordfish" not in response.text
