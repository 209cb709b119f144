"""A load balancer as far as restarts need one: it sends requests on to the services that say they are ready.

It keeps connections open, tries nothing twice, and answers 502 where a service breaks a request off and 503
where none is ready.

`python -m tests.standins.proxy SECONDS URL…` runs one that looks so often, says on stdout where once all are
ready, and ends with its input.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

READY = "/-/ready"  # answered by the proxy itself: the services that are ready
OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}


class Proxy:
    """The load balancer, an ASGI application.

    Args:
        services: Their URLs; they need not be there.
        look_s: Between two looks at whether they are ready.
    """

    def __init__(self, services: Sequence[str], *, look_s: float) -> None:
        self.url = ""
        self.ready: set[str] = set()
        self.sent: Counter[str] = Counter()
        self._services = services
        self._look_s = look_s
        unlimited = httpx.Limits(max_connections=None, max_keepalive_connections=100)
        self._client = httpx.AsyncClient(timeout=60, limits=unlimited)
        self._looker = httpx.AsyncClient(timeout=5)  # of its own: requests that wait don't hold it up
        self._turn = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope, receive)
            response = await self._answer(request)
            await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.url.path == READY:
            return JSONResponse(sorted(self.ready))
        body = await request.body()
        service = self._next()
        if service is None:
            return Response(status_code=503)
        headers = [item for item in request.headers.items() if item[0] not in OF_ONE_CONNECTION]
        url = f"{service}{request.url.path}?{request.url.query}"
        try:
            answer = await self._client.send(
                self._client.build_request(request.method, url, content=body, headers=headers), stream=True
            )
        except httpx.TransportError:
            return Response(status_code=502)
        shown = {name: value for name, value in answer.headers.items() if name not in OF_ONE_CONNECTION}
        return StreamingResponse(_parts(answer), status_code=answer.status_code, headers=shown)

    def _next(self) -> str | None:
        ready = [service for service in self._services if service in self.ready]
        if not ready:
            return None
        self._turn += 1
        chosen = ready[self._turn % len(ready)]
        self.sent[chosen] += 1
        return chosen

    async def watch(self) -> None:
        """Look at every service again and again, until cancelled."""
        while True:
            await asyncio.gather(*(self._look(service) for service in self._services))
            await asyncio.sleep(self._look_s)

    async def _look(self, service: str) -> None:
        is_ready = False
        try:
            is_ready = (await self._looker.get(f"{service}/health/ready")).status_code == 200
        except httpx.TimeoutException:
            return  # one look that takes long says nothing; load balancers want several too
        except httpx.TransportError:
            pass
        if is_ready:
            self.ready.add(service)
        else:
            self.ready.discard(service)

    async def close(self) -> None:
        await self._client.aclose()
        await self._looker.aclose()


async def _parts(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for part in answer.aiter_raw():
            yield part
    finally:
        await answer.aclose()


@asynccontextmanager
async def running_proxy(services: Sequence[str], *, look_s: float = 0.1) -> AsyncIterator[Proxy]:
    """A proxy that listens, when all services are ready."""
    proxy = Proxy(services, look_s=look_s)
    server = uvicorn.Server(
        uvicorn.Config(
            proxy,
            host="127.0.0.1",
            port=0,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_keep_alive=600,  # clients reuse connections that must not be closing
        )
    )
    tasks = [asyncio.create_task(proxy.watch()), asyncio.create_task(server.serve())]
    try:
        async with asyncio.timeout(60):
            while not server.started or len(proxy.ready) < len(services):
                assert not any(task.done() for task in tasks)
                await asyncio.sleep(0.02)
        proxy.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        yield proxy
    finally:
        server.should_exit = True
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await proxy.close()


async def _run(look_s: float, services: Sequence[str]) -> None:
    async with running_proxy(services, look_s=look_s) as proxy:
        print(f"listening on {proxy.url}", flush=True)  # noqa: T201 - for whoever started it
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_run(float(sys.argv[1]), sys.argv[2:]))
