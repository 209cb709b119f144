"""The service on one machine by docker-compose, held against what the service and its stand-ins take."""

import json
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import boto3
import httpx
import pytest
import yaml  # type: ignore[import-untyped]

from app.sample import QUESTION
from app.service_settings import ServiceSettings
from db.addresses import Login
from db.embedded import ServerAddress, embedded_postgres
from db.pool import connect
from tests.infra.dockerfile import parse, substitute
from tests.standins.aws import credentials, forget_aws
from tests.standins.moto import moto_server
from tests.standins.otlp import otlp_collector

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
COLLECTOR = yaml.safe_load((ROOT / "infra/compose/collector.yaml").read_text())
OF_THE_SDK = {"AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
PREPARE = ROOT / "infra/compose/prepare_aws.py"


def compose_program() -> list[str] | None:
    """Docker's plug-in, or the program of that name; it needs no engine to read a file."""
    if named := os.environ.get("DOCKER_COMPOSE") or shutil.which("docker-compose"):
        return [named]
    if docker := shutil.which("docker"):
        version = subprocess.run([docker, "compose", "version"], capture_output=True, check=False)
        return [docker, "compose"] if version.returncode == 0 else None
    return None


def environment_of(service: str) -> dict[str, str]:
    """What its container finds: the image's variables and its own."""
    given = COMPOSE["services"][service]
    stages = parse((ROOT / "Dockerfile").read_text())
    own = [stages["runtime"], stages[given["build"]["target"]]]
    image: dict[str, str] = {}
    for instruction in (instruction for stage in own for instruction in stage.instructions):
        if instruction.name == "ENV":
            image |= dict(part.split("=", 1) for part in instruction.text.split())
    return image | {name: substitute(value, {}) for name, value in given["environment"].items()}


@pytest.mark.skipif(compose_program() is None, reason="needs docker-compose")
def test_docker_compose_takes_the_file_and_asks_for_a_password() -> None:
    command = [
        *(compose_program() or []),
        "-f",
        str(ROOT / "docker-compose.yml"),
        "config",
        "--format",
        "json",
    ]
    without = {name: value for name, value in os.environ.items() if name != "DB_PASSWORD"}
    refused = subprocess.run(command, env=without, capture_output=True, text=True, check=False)
    assert refused.returncode
    assert "set DB_PASSWORD" in refused.stderr
    taken = subprocess.run(
        command, env={**without, "DB_PASSWORD": "p"}, capture_output=True, text=True, check=True
    )
    services = json.loads(taken.stdout)["services"]
    assert set(services) == set(COMPOSE["services"])
    published = {port["host_ip"] for service in services.values() for port in service.get("ports", [])}
    assert published == {"127.0.0.1"}


@pytest.mark.parametrize("service", ["api", "worker"])
def test_the_service_starts_with_what_it_is_given(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = environment_of(service) | {"DB_PASSWORD": "p"}
    unknown = set(COMPOSE["services"][service]["environment"]) - OF_THE_SDK
    assert unknown <= {name.upper() for name in ServiceSettings.model_fields}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = ServiceSettings(_env_file=None)
    assert settings.role == service
    logins = settings.database_logins()
    assert logins
    assert logins.owner.url == "postgresql://groundwork:p@postgres:5432/groundwork"


def test_addresses_are_of_services_that_there_are() -> None:
    services = COMPOSE["services"]
    environment = services["api"]["environment"]
    for name in ("AWS_ENDPOINT_URL", "EVENTS_QUEUE_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        assert environment[name].split("/")[2].split(":")[0] in services
    assert environment["DB_HOST"] in services
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"]


@pytest.mark.parametrize("service", ["api", "worker", "aws-resources"])
def test_containers_of_ours_can_do_little(service: str) -> None:
    given = COMPOSE["services"][service]
    assert given["read_only"]
    assert given["cap_drop"] == ["ALL"]
    assert given["security_opt"] == ["no-new-privileges:true"]
    written = {place.split(":")[0] for place in given["tmpfs"]}
    runtime = parse((ROOT / "Dockerfile").read_text())["runtime"]
    (volumes,) = [each.words() for each in runtime.instructions if each.name == "VOLUME"]
    assert written == set(volumes)


def test_the_collector_listens_where_spans_are_sent() -> None:
    sent_to = COMPOSE["services"]["api"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"]
    listens = COLLECTOR["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    assert sent_to.rpartition(":")[2] == listens.rpartition(":")[2]
    for pipeline in COLLECTOR["service"]["pipelines"].values():
        for kind, names in pipeline.items():
            assert set(names) <= set(COLLECTOR[kind])


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """An emulator as the composition has it; clients of it."""
    forget_aws(monkeypatch)
    region = COMPOSE["services"]["api"]["environment"]["AWS_REGION"]
    for name, value in {**environment_of("api"), **credentials(), "AWS_REGION": region}.items():
        monkeypatch.setenv(name, value)
    with moto_server() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        yield {name: boto3.client(name, region_name=region, endpoint_url=url) for name in ("s3", "sqs")}
    boto3.DEFAULT_SESSION = None


def test_what_the_service_needs_of_aws_is_made_and_may_be_made_again(aws: dict[str, Any]) -> None:
    environment = environment_of("api")
    for _ in range(2):
        runpy.run_path(str(PREPARE), run_name="__main__")
    aws["s3"].put_object(Bucket=environment["DOCUMENTS_BUCKET"], Key="a.md", Body=b"# A")
    aws["s3"].head_bucket(Bucket=environment["ARTIFACTS_BUCKET"])
    queue = aws["sqs"].get_queue_url(QueueName=environment["EVENTS_QUEUE_URL"].rpartition("/")[2])["QueueUrl"]
    assert queue.rpartition(":")[2].partition("/")[2] == environment["EVENTS_QUEUE_URL"].partition("5000/")[2]
    messages = aws["sqs"].receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    keys = [
        record["s3"]["object"]["key"]
        for message in messages
        for record in json.loads(message["Body"]).get("Records", [])
    ]
    assert keys == ["a.md"]
    attributes = aws["sqs"].get_queue_attributes(QueueUrl=queue, AttributeNames=["RedrivePolicy"])
    assert json.loads(attributes["Attributes"]["RedrivePolicy"])["maxReceiveCount"] == 5


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_api_and_worker_work_together_as_composed(aws: dict[str, Any], tmp_path: Path) -> None:
    """Postgres, the emulator and the collector under other addresses, but all else as the file says."""
    runpy.run_path(str(PREPARE), run_name="__main__")
    async with embedded_postgres(tmp_path / "postgres") as server:
        admin = await connect(Login(server.admin_dsn()))
        await admin.execute(
            "CREATE DATABASE groundwork"
        )  # empty, for a superuser: as pgvector's image has it
        await admin.close()
        with otlp_collector() as collector:
            here = _addresses(server, aws, collector.url, tmp_path)
            with _started("api", here) as api, _started("worker", here), httpx.Client(base_url=api) as client:
                answer = _until(lambda: _cited(client, QUESTION))
                assert "5 vacation days" in answer["answer"]
                text = b"# Parking\n\nBicycles are parked in the cellar."
                aws["s3"].put_object(Bucket=here["DOCUMENTS_BUCKET"], Key="handbook/parking.md", Body=text)
                answer = _until(lambda: _cited(client, "Where are bicycles parked?"))
                assert "cellar" in answer["answer"]
            collector.wait_for("POST /chat", "job ingest")


def _addresses(server: ServerAddress, aws: dict[str, Any], collector: str, folder: Path) -> dict[str, str]:
    """The composition's variables, where these lead to what runs here."""
    url = aws["sqs"].meta.endpoint_url
    queue = environment_of("api")["EVENTS_QUEUE_URL"].partition("5000")[2]
    return environment_of("api") | {
        "DB_HOST": str(server.socket_dir),
        "DB_PORT": str(server.port),
        "DB_USER": server.admin_user,
        "DB_PASSWORD": server.admin_password,
        "AWS_ENDPOINT_URL": url,
        "EVENTS_QUEUE_URL": url + queue,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        "HOST": "127.0.0.1",
        "DATA_DIR": str(folder / "data"),
        "PYTHONPATH": str(ROOT),
        "PATH": os.environ["PATH"],
    }


@contextmanager
def _started(service: str, here: Mapping[str, str]) -> Iterator[str]:
    """The URL of one of the two, once it is ready. Its end is asked for as by a container engine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    own = environment_of(service)
    changed = {name: own[name] for name in own if name in {"ROLE", "SAMPLE_DOCUMENTS"}}
    environment = {**here, **changed, "PORT": url.rpartition(":")[2]}
    with subprocess.Popen([sys.executable, "-m", "app"], cwd=ROOT, env=environment) as process:
        try:
            _until(lambda: _is_ready(url) or None)
            yield url
            process.terminate()
            assert process.wait(60) in {
                0,
                -signal.SIGTERM,
            }  # the server raises it again once it has shut down
        finally:
            process.kill()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready").status_code == HTTPStatus.OK
    except httpx.TransportError:
        return False


def _cited(client: httpx.Client, question: str) -> dict[str, Any] | None:
    answer: dict[str, Any] = client.post("/chat", json={"query": question}, timeout=60).json()
    return answer if answer.get("citations") else None


def _until(look: Callable[[], T | None]) -> T:
    """What `look` gives, once it gives something. Raises: TimeoutError."""
    until = time.monotonic() + 90
    while time.monotonic() < until:
        if (found := look()) is not None:
            return found
        time.sleep(0.3)
    raise TimeoutError
