"""The image: from an archive to the registry, under the commit that it was built from."""

import base64
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from botocore.exceptions import ClientError

from scripts.delivery.clients import Clients
from scripts.delivery.errors import RefusedError

NAME = "groundwork"  # in the archive, with the revision as its tag
REVISION = re.compile(r"[0-9a-f]{7,40}")


def check_revision(revision: str) -> None:
    """Refuse what is no commit.

    Raises:
        RefusedError: It isn't one.
    """
    if not REVISION.fullmatch(revision):
        raise RefusedError(f"A revision is a commit's hash, not {revision!r}")


def in_registry(clients: Clients, registry: str, revision: str) -> str | None:
    """The image of a revision, by its digest, which always means the same image; None: it isn't there."""
    try:
        found = clients.ecr.describe_images(
            repositoryName=registry.partition("/")[2], imageIds=[{"imageTag": revision}]
        )
    except ClientError as exc:
        if exc.response["Error"]["Code"] == "ImageNotFoundException":
            return None
        raise
    return f"{registry}@{found['imageDetails'][0]['imageDigest']}"


def push(clients: Clients, registry: str, revision: str, archive: Path) -> str:
    """The image by its digest. One that is there already, as after a run that is repeated, stays.

    Raises:
        RefusedError: docker could not do it.
    """
    there = in_registry(clients, registry, revision)
    if there:
        return there
    tag = f"{registry}:{revision}"
    _log_in(clients, registry)
    _docker(["load", "--input", str(archive)])
    _docker(["tag", f"{NAME}:{revision}", tag])
    _docker(["push", "--quiet", tag])
    pushed = in_registry(clients, registry, revision)
    if pushed is None:
        raise RefusedError(f"{tag} was pushed, but isn't in the registry")
    return pushed


def _log_in(clients: Clients, registry: str) -> None:
    token = clients.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    host = registry.partition("/")[0]
    _docker(["login", "--username", user, "--password-stdin", host], stdin=password)


def _docker(arguments: Sequence[str], *, stdin: str = "") -> None:
    command = ["docker", *arguments]
    try:
        subprocess.run(command, input=stdin, text=True, capture_output=True, check=True)  # noqa: S603 - docker alone
    except FileNotFoundError as exc:
        raise RefusedError("docker isn't installed") from exc
    except subprocess.CalledProcessError as exc:
        raise RefusedError(f"docker {arguments[0]}: {exc.stderr.strip()}") from exc
