"""Evaluation runs over HTTP, worked off by the service's own worker."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import TypeAdapter

from app.access.roles import Role
from app.evaluation.datasets import artifact_name
from app.evaluation.runs import EVALUATE
from db.addresses import DatabaseLogins
from db.pool import Database
from db.repositories import evaluations, jobs
from db.repositories.jobs import NewJob
from eval.cases import parse_cases
from eval.report.results import RunResults
from rag.artifacts import LocalArtifacts
from rag.models.local import LocalModels
from tests.integration.app.access import PEPPER, KeyMaker, bearer
from tests.integration.conftest import running_service, settings_for

PAGES = {
    "backups.md": "# Backups\n\nBackups are kept for 35 days and are encrypted.\n",
    "parking.md": "# Parking\n\nA parking space costs 40 euros a month.\n",
    "salaries.md": "# Salaries\n\nThe salary of a junior engineer is 52,000 euros a year.\n",
}
CASES: list[dict[str, Any]] = [
    {
        "id": "backups",
        "query": "How long are backups kept?",
        "expected_answer": "35 days",
        "ground_truth_docs": ["backups.md"],
    },
    {
        "id": "parking",
        "query": "What does a parking space cost?",
        "expected_answer": "40 euros",
        "ground_truth_docs": ["parking.md"],
    },
    {
        "id": "filtered",
        "query": "What does a parking space cost?",
        "answerable": False,
        "filters": {"source_document_id": "backups.md"},
    },
    {
        "id": "salaries",
        "query": "What is the salary of a junior engineer?",
        "expected_answer": "52,000 euros",
        "ground_truth_docs": ["salaries.md"],
    },
]
ENDED = {"succeeded", "failed", "cancelled"}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
async def client(
    logins: DatabaseLogins, local_models: LocalModels, data_dir: Path
) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(
        logins, data_dir=data_dir, auth_mode="api_key", api_key_pepper=PEPPER, rate_limits="off"
    )
    async with running_service(settings, local_models) as opened:
        yield opened


@pytest.fixture(scope="module")
async def analyst(client: httpx.AsyncClient, database: Database) -> dict[str, str]:
    """Of a tenant with three documents, one of them closed to all but the group `pay`."""
    headers = await key(database, Role.ANALYST, "pay")
    for name, text in PAGES.items():
        acl = ["pay"] if name == "salaries.md" else []
        body = {"text": text, "title": name, "source_document_id": name, "acl": acl}
        answer = await client.post("/ingest", json=body, params={"wait": 60}, headers=headers)
        assert answer.status_code == 200, answer.text
    return headers


async def key(database: Database, role: Role, *groups: str, tenant: str = "default") -> dict[str, str]:
    return bearer((await KeyMaker(database).issue(role, tenant=tenant, groups=groups)).secret)


@pytest.fixture
async def dataset(data_dir: Path, tenant_id: UUID) -> str:
    """The path of a set of the tenant's own."""
    return await write_set(data_dir, tenant_id, CASES)


async def write_set(data_dir: Path, tenant_id: UUID, cases: list[dict[str, Any]]) -> str:
    path = f"{uuid4().hex}.jsonl"
    data = "\n".join(map(json.dumps, cases)).encode()
    await LocalArtifacts(data_dir / "artifacts").write(artifact_name(tenant_id, path), data, "text/plain")
    return path


async def start(client: httpx.AsyncClient, headers: dict[str, str], **body: object) -> dict[str, Any]:
    answer = await client.post("/eval/run", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    run: dict[str, Any] = answer.json()
    return run


async def ended(client: httpx.AsyncClient, headers: dict[str, str], run_id: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            run: dict[str, Any] = (await client.get(f"/eval/runs/{run_id}", headers=headers)).json()
            if run["state"] in ENDED:
                return run
            await asyncio.sleep(0.05)


async def evaluate(client: httpx.AsyncClient, headers: dict[str, str], **body: object) -> dict[str, Any]:
    run = await start(client, headers, **body)
    return await ended(client, headers, run["eval_run_id"])


async def results_of(client: httpx.AsyncClient, headers: dict[str, str], run_id: str) -> RunResults:
    answer = await client.get(f"/eval/runs/{run_id}/results", headers=headers)
    assert answer.status_code == 200, answer.text
    return TypeAdapter(RunResults).validate_json(answer.content)


async def test_a_run_measures_each_case(
    client: httpx.AsyncClient, analyst: dict[str, str], dataset: str
) -> None:
    run = await evaluate(client, analyst, dataset_path=dataset, model_version="candidate-1")

    assert (run["state"], run["error"], run["num_examples"]) == ("succeeded", None, 4)
    assert run["passed"] is True
    # Three of the four answers add a sentence of another document.
    assert run["metrics"]["answer_correctness_mean"] == (0.5 + 0.5 + 1.0 + 0.5) / 4
    assert run["metrics"]["answer_correctness_std"] == pytest.approx(0.25)
    assert run["details"]["errors"] == 0
    results = await results_of(client, analyst, run["eval_run_id"])
    by_id = {case.id: case for case in results.cases}
    assert set(by_id) == {case["id"] for case in CASES}
    assert (by_id["backups"].answer or "").startswith("Backups are kept for 35 days and are encrypted. [1]")
    assert by_id["backups"].citations[0].title == "backups.md"
    assert by_id["filtered"].metrics == {"abstention": 1.0, "answer_correctness": 1.0}
    assert results.configuration.other["model_version"] == "candidate-1"


async def test_a_run_is_compared_with_an_earlier_one(
    client: httpx.AsyncClient, analyst: dict[str, str], dataset: str
) -> None:
    first = await evaluate(client, analyst, dataset_path=dataset)
    second = await evaluate(client, analyst, dataset_path=dataset, baseline_run_id=first["eval_run_id"])
    checks = {check["name"]: check["detail"] for check in second["details"]["checks"]}
    assert checks["answer_correctness, change"] == "both runs measured 4 cases, and 30 are needed"
    assert (second["verdict"], second["passed"]) == ("inconclusive", False)


async def test_only_some_questions_and_metrics(
    client: httpx.AsyncClient, analyst: dict[str, str], dataset: str
) -> None:
    wanted = ["answer_correctness", "recall@5"]
    run = await evaluate(client, analyst, dataset_path=dataset, num_samples=2, seed=3, metrics=wanted)
    results = await results_of(client, analyst, run["eval_run_id"])
    assert run["num_examples"] == len(results.cases) == 2
    assert set(results.metric_names) <= set(wanted)


async def test_documents_that_arent_there_are_reported(
    client: httpx.AsyncClient, analyst: dict[str, str], data_dir: Path, tenant_id: UUID
) -> None:
    lost = CASES[0] | {"ground_truth_docs": ["lost.md"]}
    run = await evaluate(client, analyst, dataset_path=await write_set(data_dir, tenant_id, [lost]))
    assert "recall@5_mean" not in run["metrics"]
    assert run["verdict"] == "inconclusive"
    assert "the corpus has no document 'lost.md'" in json.dumps(run["details"])


async def test_a_shipped_set_can_be_named(client: httpx.AsyncClient, analyst: dict[str, str]) -> None:
    run = await start(client, analyst, dataset_path="handbook.jsonl", num_samples=1)
    assert (await ended(client, analyst, run["eval_run_id"]))["num_examples"] == 1


async def test_documents_closed_to_the_caller_are_closed_to_the_run(
    client: httpx.AsyncClient, analyst: dict[str, str], database: Database, dataset: str
) -> None:
    outsider = await key(database, Role.ANALYST)
    run = await evaluate(client, outsider, dataset_path=dataset)
    assert run["metrics"]["recall@5_mean"] == 1.0  # of the other two
    assert "'salaries.md'" in json.dumps(run["details"])


async def test_a_run_over_closed_documents_is_closed_too(
    client: httpx.AsyncClient, analyst: dict[str, str], database: Database, dataset: str
) -> None:
    outsider = await key(database, Role.ANALYST)
    run = await evaluate(client, analyst, dataset_path=dataset)
    for path in (f"/eval/runs/{run['eval_run_id']}", f"/eval/runs/{run['eval_run_id']}/results"):
        assert (await client.get(path, headers=outsider)).status_code == 404
    listed = (await client.get("/eval/runs", headers=outsider)).json()["runs"]
    assert run["eval_run_id"] not in {other["eval_run_id"] for other in listed}
    body = {"dataset_path": dataset, "baseline_run_id": run["eval_run_id"]}
    assert (await client.post("/eval/run", json=body, headers=outsider)).status_code == 404


async def test_runs_are_listed_newest_first_in_pages(
    client: httpx.AsyncClient, database: Database, data_dir: Path
) -> None:
    headers = await key(database, Role.ANALYST, tenant="pages")
    made = [
        (await start(client, headers, dataset_path="handbook.jsonl", num_samples=1))["eval_run_id"]
        for _ in range(3)
    ]
    first = (await client.get("/eval/runs", params={"limit": 2}, headers=headers)).json()
    rest = (await client.get("/eval/runs", params={"cursor": first["next_cursor"]}, headers=headers)).json()
    assert [run["eval_run_id"] for run in (*first["runs"], *rest["runs"])] == made[::-1]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"dataset_path": "nothing.jsonl"}, 404, "there is no evaluation set 'nothing.jsonl'"),
        ({"dataset_path": "../../etc/passwd.jsonl"}, 422, "is not the name of an artifact"),
        ({"dataset_path": "handbook"}, 422, "does not end in .jsonl"),
        ({"dataset_path": "handbook.jsonl", "num_samples": 0}, 422, "greater than or equal to 1"),
        ({"dataset_path": "handbook.jsonl", "metrics": []}, 422, "at least 1 item"),
        ({"dataset_path": "handbook.jsonl", "baseline_run_id": str(uuid4())}, 404, "no evaluation run"),
        ({}, 422, "dataset_path"),
    ],
)
async def test_a_run_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, analyst: dict[str, str], body: dict[str, Any], status: int, said: str
) -> None:
    answer = await client.post("/eval/run", json=body, headers=analyst)
    assert answer.status_code == status
    assert said in answer.text


async def test_mistakes_in_a_set_are_named_by_their_line(
    client: httpx.AsyncClient, analyst: dict[str, str], data_dir: Path, tenant_id: UUID
) -> None:
    path = await write_set(data_dir, tenant_id, [*CASES, {"query": "Why?"}])
    answer = await client.post("/eval/run", json={"dataset_path": path}, headers=analyst)
    assert answer.status_code == 422
    assert f"{path}, line 5: needs an expected_answer" in answer.text


async def test_a_baseline_of_another_set_is_refused(
    client: httpx.AsyncClient, analyst: dict[str, str], dataset: str
) -> None:
    other = await evaluate(client, analyst, dataset_path="handbook.jsonl", num_samples=1)
    body = {"dataset_path": dataset, "baseline_run_id": other["eval_run_id"]}
    answer = await client.post("/eval/run", json=body, headers=analyst)
    assert answer.status_code == 422
    assert "another version of the set" in answer.text


async def test_results_are_there_when_the_run_has_ended(
    client: httpx.AsyncClient, analyst: dict[str, str], database: Database, tenant_id: UUID
) -> None:
    async with database.tenant(tenant_id) as connection:
        new = evaluations.NewRun(
            created_by=None,
            groups=(),
            dataset_path="handbook.jsonl",
            dataset_sha256="0" * 64,
            model_version="lost",
        )
        run_id = await evaluations.add(connection, tenant_id, new)
    answer = await client.get(f"/eval/runs/{run_id}/results", headers=analyst)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    run = (await client.get(f"/eval/runs/{run_id}", headers=analyst)).json()
    assert (run["state"], run["passed"]) == ("failed", None)  # without a job, nobody does it


async def queue(
    database: Database, tenant_id: UUID, path: str, version: str, kept: list[dict[str, Any]]
) -> str:
    """A run that an earlier worker got this far."""
    new = evaluations.NewRun(
        created_by=None, groups=(), dataset_path=path, dataset_sha256=version, model_version="resumed"
    )
    async with database.tenant(tenant_id) as connection:
        run_id = await evaluations.add(connection, tenant_id, new)
        for case in kept:
            await evaluations.keep_case(connection, tenant_id, run_id, case["id"], case)
        job_id = await jobs.add(connection, tenant_id, NewJob(EVALUATE, {"run_id": str(run_id)}))
        await evaluations.set_job(connection, run_id, job_id)
    return str(run_id)


async def test_another_attempt_goes_on_where_the_last_was_stopped(
    client: httpx.AsyncClient,
    analyst: dict[str, str],
    database: Database,
    data_dir: Path,
    tenant_id: UUID,
) -> None:
    path = await write_set(data_dir, tenant_id, CASES[:2])
    version = parse_cases("\n".join(map(json.dumps, CASES[:2])).encode(), "set", place=path).version
    kept = {"id": "backups", "question": "kept", "metrics": {"answer_correctness": 0.5}}
    run = await ended(client, analyst, await queue(database, tenant_id, path, version, [kept]))
    results = await results_of(client, analyst, run["eval_run_id"])
    assert [case.question for case in results.cases] == ["kept", CASES[1]["query"]]


async def test_a_set_that_has_changed_meanwhile_fails_the_run(
    client: httpx.AsyncClient, analyst: dict[str, str], database: Database, dataset: str, tenant_id: UUID
) -> None:
    run = await ended(client, analyst, await queue(database, tenant_id, dataset, "0" * 64, []))
    assert (run["state"], run["verdict"]) == ("failed", None)
    assert run["error"] == f"{dataset} has changed since the run was asked for"
