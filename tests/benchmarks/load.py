"""Requests from another process on the loopback address, a fixed number of them at a time."""

import asyncio
import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.benchmarks.data import ROOT


@dataclass(frozen=True, slots=True)
class Load:
    """What a client saw: requests a second, and the median and 99th percentile of a request."""

    per_second: float
    p50_ms: float
    p99_ms: float


async def post_bodies(url: str, bodies: list[bytes], *, clients: int, seconds: float) -> Load:
    """POST the bodies in turn for so long, over connections that stay open.

    Raises:
        RuntimeError: An answer other than 200.
    """
    parts = urlsplit(url)
    deadline = time.perf_counter() + seconds
    taken: list[float] = []

    async def client(at: int) -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while time.perf_counter() < deadline:
            body = bodies[at % len(bodies)]
            at += clients
            began = time.perf_counter()
            writer.write(
                f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(h[15:]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")
            )
            answer = await reader.readexactly(length)
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer[:300].decode())
            taken.append((time.perf_counter() - began) * 1000)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client(at) for at in range(clients)))
    elapsed = time.perf_counter() - began
    taken.sort()
    return Load(len(taken) / elapsed, statistics.median(taken), taken[int(0.99 * (len(taken) - 1))])


async def load_from_outside(url: str, bodies_file: Path, *, clients: int, seconds: float) -> Load:
    """`post_bodies` in a process of its own, so that it shares no interpreter with the server."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.benchmarks.load",
        url,
        str(bodies_file),
        str(clients),
        str(seconds),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError("the load generator failed")
    return Load(**json.loads(out))


def main() -> None:
    url, file, clients, seconds = sys.argv[1:]
    bodies = Path(file).read_bytes().splitlines()
    found = asyncio.run(post_bodies(url, bodies, clients=int(clients), seconds=float(seconds)))
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
