"""`python -m tests.infra.emulator`: moto's server, until its standard input is closed.

In a process of its own, because what moto holds is the process's, and because AWS's managed policies, which
Terraform attaches, are loaded only where an environment variable asks for them before moto is imported.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.standins.aws import NO_FILES, OF_THE_DEVELOPER, credentials

STOP_S = 10


@contextmanager
def emulator() -> Iterator[str]:
    """The URL of a server that holds nothing."""
    environment = {**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.infra.emulator"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(STOP_S)


def environment_for(url: str) -> dict[str, str]:
    """The variables of a program whose AWS is the server at `url`."""
    own = {name: value for name, value in os.environ.items() if name not in OF_THE_DEVELOPER}
    return {
        **own,
        **NO_FILES,
        **credentials(),
        "AWS_DEFAULT_REGION": credentials()["AWS_REGION"],
        "AWS_ENDPOINT_URL": url,
    }


def main() -> None:
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - reads its environment when imported

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # tells of every request
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)  # noqa: T201 - for whoever started it
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
