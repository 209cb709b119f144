"""Metrics of a service that does everything once, as Prometheus and CloudWatch get them."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from db.addresses import DatabaseLogins
from observability.registry import METRICS, Metric
from rag.models.local import LocalModels
from tests.integration.app.conftest import ingest_text
from tests.integration.app.test_evaluation import evaluate, write_set
from tests.integration.conftest import running_service, settings_for
from tests.standins.aws import use_bedrock
from tests.standins.bedrock.control import Bedrock
from tests.standins.bedrock.faults import Fault
from tests.standins.bedrock.server import bedrock_standin

CHAT = "bedrock:amazon.nova-lite-v1:0"
RERANK = "bedrock:cohere.rerank-v3-5:0"
QUESTION = "How long is the notice period?"
TEXT = "The notice period is four weeks to the end of a month. The canteen opens at noon."
ANSWER = "The notice period is four weeks to the end of a month. [1]"
CASES = [
    {"id": "notice", "query": QUESTION, "expected_answer": "four weeks", "ground_truth_docs": ["contract"]}
]


@dataclass(frozen=True, slots=True)
class Scraped:
    """What `/metrics` showed."""

    samples: list[Sample]
    text: str

    def value(self, name: str, **labels: str) -> float:
        """The sum over all series with these labels."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == f"groundwork_{name}" and labels.items() <= sample.labels.items()
        )

    def shows(self, metric: Metric) -> bool:
        names = {metric.full_name, f"{metric.full_name}_count"}
        return any(sample.name in names for sample in self.samples)


async def scrape(client: httpx.AsyncClient) -> Scraped:
    response = await client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(response.text)
    return Scraped([sample for family in families for sample in family.samples], response.text)


@pytest.fixture(scope="module")
def bedrock(local_models: LocalModels) -> Iterator[Bedrock]:
    with pytest.MonkeyPatch.context() as patch, bedrock_standin(local=local_models) as server:
        use_bedrock(patch, server.url)
        yield server


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
async def client(
    logins: DatabaseLogins, local_models: LocalModels, bedrock: Bedrock, data_dir: Path
) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(
        logins,
        data_dir=data_dir,
        chat_model=f"{CHAT},local:extractive",
        rerank_model=RERANK,
        model_attempts=1,
        relevance_floor=-1,
        metrics_interval_s=1,
        metrics_emf=True,
        otel_exporter_otlp_endpoint="http://127.0.0.1:9",  # nobody listens
        otel_traces_sampler_arg=1,
        online_quality_sample=1,
        database_read_url=logins.app.url,  # the primary once more: it is looked at, and not read
    )
    async with running_service(settings, local_models) as opened:
        yield opened


async def test_a_service_at_work_records_every_metric_of_the_registry(
    client: httpx.AsyncClient,
    bedrock: Bedrock,
    data_dir: Path,
    tenant_id: UUID,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await ingest_text(client, TEXT, source_document_id="contract")
    bedrock.reply = ANSWER
    answered = (await client.post("/chat", json={"query": QUESTION})).json()
    bedrock.faults = [Fault("server_error", operations=("ConverseStream",))]
    fallen_back = (await client.post("/chat", json={"query": QUESTION})).json()
    await client.post("/search", json={"query": QUESTION})
    await client.post("/search", json={"query": QUESTION, "filters": {"source_document_id": "none"}})
    for _ in range(2):  # the same again counts once
        rating = {"request_id": answered["request_id"], "rating": 1}
        assert (await client.post("/feedback", json=rating)).status_code == 201
    run = await evaluate(client, {}, dataset_path=await write_set(data_dir, tenant_id, CASES))
    for _ in range(100):  # some are recorded in the background
        found = await scrape(client)
        missing = [metric.name for metric in METRICS if not found.shows(metric)]
        if not missing and found.value("spans_lost_total"):
            break
        await asyncio.sleep(0.2)
    await asyncio.sleep(1.2)  # one more line for CloudWatch

    assert missing == []
    assert found.value("feedback_total") == 1
    assert (
        found.value("retrievals_total", result="found"),
        found.value("retrievals_total", result="empty"),
    ) == (3, 1)
    assert found.value("answers_total", outcome="answered") == 2
    assert fallen_back["degraded"] == [f"generate:{CHAT}"]
    assert found.value("degraded_total", stage="generate") == found.value("degraded_total") == 1
    assert found.value("model_events_total", model=CHAT, event="failure") == 1
    assert found.value("ingested_chunks_total") == 1
    assert found.value("jobs_total", kind="ingest", outcome="succeeded") == 1
    assert (
        found.value("evaluation_score", metric="answer_correctness")
        == run["metrics"]["answer_correctness_mean"]
    )
    spent = found.value("cost_usd_total", model=CHAT) + found.value("cost_usd_total", model=RERANK)
    assert spent >= answered["usage"]["cost_usd"] > 0
    tokens = found.value("model_tokens_total", model=CHAT, kind="output")
    assert tokens >= answered["usage"]["completion_tokens"] > 0

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    # No request has failed on our side; a counter is written when it has grown.
    unchanged = {"request_errors"}
    declared = {
        metric["Name"]
        for line in lines
        for directive in line["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
    }
    assert {metric.cloudwatch_name for metric in METRICS} - declared == unchanged


async def test_metrics_name_nobody(client: httpx.AsyncClient, tenant_id: UUID) -> None:
    secret = f"user-{uuid4().hex}"
    asked = await client.post("/chat", json={"query": f"{QUESTION} {secret}", "user_id": secret})
    shown = (await scrape(client)).text
    for name in (
        secret,
        str(tenant_id),
        asked.json()["request_id"],
        asked.json()["conversation_id"],
        "contract",
    ):
        assert name not in shown


async def test_an_unknown_address_adds_no_series(client: httpx.AsyncClient) -> None:
    for _ in range(3):
        assert (await client.get(f"/{uuid4().hex}")).status_code == 404
    found = await scrape(client)
    assert found.value("request_duration_seconds_count", route="none", status="4xx") == 3


async def test_a_breaker_that_opened_is_seen(client: httpx.AsyncClient, bedrock: Bedrock) -> None:
    bedrock.faults = [Fault("server_error", operations=("ConverseStream",), times=None)]
    for _ in range(8):  # BREAKER_FAILURES
        await client.post("/chat", json={"query": QUESTION})
    assert (await scrape(client)).value("breaker_state", model=CHAT) == 2


async def test_without_metrics_there_is_no_such_route(
    logins: DatabaseLogins, local_models: LocalModels
) -> None:
    settings = settings_for(logins, role="api", metrics=False)
    async with running_service(settings, local_models) as opened:
        assert (await opened.get("/metrics")).status_code == 404


async def test_a_worker_shows_its_metrics(logins: DatabaseLogins, local_models: LocalModels) -> None:
    async with running_service(settings_for(logins, role="worker"), local_models) as opened:
        assert (await scrape(opened)).value("pool_connections", pool="system", state="limit") == 4


async def test_a_request_that_fails_on_our_side_is_an_error(
    logins: DatabaseLogins, local_models: LocalModels, bedrock: Bedrock
) -> None:
    bedrock.faults = [Fault("server_error", operations=("ConverseStream",), times=None)]
    settings = settings_for(logins, role="api", chat_model=CHAT, model_attempts=1, relevance_floor=-1)
    async with running_service(settings, local_models) as opened:
        assert (await scrape(opened)).value("request_errors_total") == 0
        assert (await opened.post("/chat", json={"query": QUESTION})).status_code == 502
        assert (await opened.get(f"/documents/{uuid4()}")).status_code == 404
        found = await scrape(opened)
    assert found.value("request_errors_total") == found.value("answers_total", outcome="failed") == 1
