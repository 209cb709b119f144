"""The analysis of an experiment that ran in the service."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from db.pool import Database
from db.repositories import experiments, exposures, feedback, traces
from db.repositories.experiments import Experiment, ExperimentKind, NewExperiment, Variant
from db.repositories.exposures import Exposure
from db.repositories.feedback import Verdict
from db.repositories.traces import Trace
from feedback.experiments.analysis import Plan, analyse
from feedback.experiments.recommendation import Recommendation
from feedback.experiments.stored import read_experiment
from rag.errors import InvalidInputError, NotFoundError
from scripts.analyze_experiment import main

SUBJECTS = 300  # of each variant
COPY = """
INSERT INTO events (tenant_id, trace_id, event_id, subject, kind) SELECT $1, id, 'copied', subject, 'copy'
FROM traces WHERE tenant_id = $1 AND request_id = $2
"""


async def store(database: Database, tenant_id: UUID, *, key: str) -> Experiment:
    """Subjects who use every other answer of the control, and every one of the challenger."""
    variants = (Variant("usual"), Variant("better"))
    new = NewExperiment(key, ExperimentKind.SPLIT, variants, 1.0, "salt")
    async with database.tenant(tenant_id) as connection:
        experiment_id = await experiments.add(connection, tenant_id, new, "tests")
        assert experiment_id
        for number in range(SUBJECTS * 2):
            variant = ("usual", "better")[number % 2]
            subject, request_id = f"{key}-{number}", str(uuid4())
            at = datetime.now(UTC) - timedelta(hours=1)
            await exposures.expose(connection, tenant_id, Exposure(experiment_id, subject, None, variant, at))
            trace_id = await traces.add(connection, tenant_id, trace(request_id, subject, f"{key}/{variant}"))
            if variant == "better" or number % 4 == 0:
                await connection.execute(COPY, tenant_id, request_id)
            if number == 0:
                said = Verdict(uuid4(), -1, [], None, None, {})
                await feedback.add(connection, tenant_id, trace_id, subject, said)
        found = await experiments.get(connection, experiment_id)
    assert found
    return found


def trace(request_id: str, subject: str, variant: str) -> Trace:
    return Trace(
        request_id=request_id,
        conversation_id=None,  # type: ignore[arg-type]
        subject=subject,
        user_id=None,
        strategy="auto",
        query=None,
        answer=None,
        retrieved=[],
        citations=[],
        prompt_version="answer-1",
        corpus_version=1,
        models={"chat": "local:extractive"},
        usage={"cost_usd": 0.001},
        timings_ms={"total": 400.0},
        degraded=[],
        abstained=False,
        error=None,
        variant=variant,
    )


async def test_a_better_challenger_is_told_from_what_the_service_stored(
    database: Database, tenant_id: UUID
) -> None:
    await store(database, tenant_id, key="told")
    found = await read_experiment(database, tenant="default", key="told")
    assert (found.control, dict(found.weights)) == ("usual", {"usual": 1.0, "better": 1.0})
    assert len(found.rows) == SUBJECTS * 2
    first = next(row for row in found.rows if row.subject == "told-0")
    assert first.outcomes == {
        "errors": 0,
        "latency_ms": 400.0,
        "cost_usd": 0.001,
        "abstained": 0,
        "rating": -1,
        "click": 0,
        "cite_click": 0,
        "copy": 1,
        "add_to_cart": 0,
        "purchase": 0,
        "reformulate": 0,
        "converted": 1,
    }
    analysis = analyse(found.rows, Plan(control=found.control, weights=found.weights))
    assert analysis.recommendation is Recommendation.PROMOTE


async def test_nothing_to_analyse_is_said(database: Database, tenant_id: UUID) -> None:
    with pytest.raises(NotFoundError, match="no tenant nowhere"):
        await read_experiment(database, tenant="nowhere", key="x")
    with pytest.raises(NotFoundError, match="no experiment unknown"):
        await read_experiment(database, tenant="default", key="unknown")
    new = NewExperiment("unmet", ExperimentKind.SPLIT, (Variant("a"), Variant("b")), 1.0, "salt")
    async with database.tenant(tenant_id) as connection:
        await experiments.add(connection, tenant_id, new, "tests")
    with pytest.raises(InvalidInputError, match="nobody was exposed"):
        await read_experiment(database, tenant="default", key="unmet")


def test_a_file_or_an_experiment_is_named_not_both(tmp_path: Path) -> None:
    for given in ([], ["--input", str(tmp_path / "x.csv"), "--experiment", "x"]):
        with pytest.raises(SystemExit) as ended:
            main(given)
        assert ended.value.code == 4


def test_a_file_is_still_read(tmp_path: Path) -> None:
    lines = [
        {"subject": str(number), "variant": variant, "exposed_at": "2026-03-01T10:00:00Z", "converted": 0}
        for number, variant in enumerate(["control", "challenger"] * 5)
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    assert main(["--input", str(file), "--exit-code"]) == 2
