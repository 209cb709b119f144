"""The image on its way to the registry, moto's, with a docker that only writes down what it is told."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.delivery.clients import Clients
from scripts.delivery.errors import RefusedError
from scripts.delivery.image import push
from tests.standins.aws import REGION, use_aws
from tests.standins.moto import moto_server

REVISION = "b" * 40
# What is pushed comes to the registry by a call of ECR's own.
DOCKER = """#!{python} -SE
import json, os, sys, urllib.request
told = {{"arguments": sys.argv[1:], "input": sys.stdin.read()}}
with open(os.environ["DOCKER_LOG"], "a") as log:
    log.write(json.dumps(told) + "\\n")
if sys.argv[1] == os.environ.get("DOCKER_FAILS"):
    sys.exit("denied: try again")
if sys.argv[1] == "push":
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = {{"schemaVersion": 2, "mediaType": kind, "config": {{"digest": "sha256:1"}}, "layers": []}}
    tag = sys.argv[-1].split(":")[-1]
    body = {{"repositoryName": "groundwork", "imageManifest": json.dumps(manifest), "imageTag": tag}}
    headers = {{
        "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.PutImage",
        "Content-Type": "application/x-amz-json-1.1",
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/{region}/ecr/aws4_request",
    }}
    url = os.environ["AWS_ENDPOINT_URL"]
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers))
"""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    docker = tmp_path / "docker"
    docker.write_text(DOCKER.format(python=sys.executable, region=REGION), encoding="utf-8")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_LOG", str(tmp_path / "log"))
    with moto_server() as url:
        use_aws(monkeypatch, url)
        made = Clients.of(REGION).ecr.create_repository(repositoryName="groundwork")
        yield str(made["repository"]["repositoryUri"])


def told(tmp_path: Path) -> list[list[str]]:
    return [json.loads(line)["arguments"] for line in (tmp_path / "log").read_text().splitlines()]


def test_an_image_is_pushed_once_under_its_commit(registry: str, tmp_path: Path) -> None:
    clients = Clients.of(REGION)
    image = push(clients, registry, REVISION, Path("image.tar"))
    assert image.startswith(f"{registry}@sha256:")
    host = registry.partition("/")[0]
    assert told(tmp_path) == [
        ["login", "--username", "AWS", "--password-stdin", host],
        ["load", "--input", "image.tar"],
        ["tag", f"groundwork:{REVISION}", f"{registry}:{REVISION}"],
        ["push", "--quiet", f"{registry}:{REVISION}"],
    ]
    assert push(clients, registry, REVISION, Path("image.tar")) == image
    assert len(told(tmp_path)) == 4  # a run that is repeated has nothing to do


def test_the_registry_s_password_is_no_argument(registry: str, tmp_path: Path) -> None:
    """Arguments are seen by all of the machine's users."""
    push(Clients.of(REGION), registry, REVISION, Path("image.tar"))
    first = json.loads((tmp_path / "log").read_text().splitlines()[0])
    assert first["input"]
    assert first["input"] not in " ".join(first["arguments"])


def test_what_docker_says_is_the_reason(registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_FAILS", "load")
    with pytest.raises(RefusedError, match="docker load: denied: try again"):
        push(Clients.of(REGION), registry, REVISION, Path("image.tar"))
