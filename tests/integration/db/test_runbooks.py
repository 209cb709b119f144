"""What docs/operations.md tells people to run and look at in the night exists, and its queries run."""

import json
import re
from pathlib import Path

import pytest

from app.settings import Settings
from db.addresses import DatabaseLogins
from db.pool import connect
from observability.registry import METRICS

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs/operations.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", DOCUMENT, re.MULTILINE))
RUNBOOKS = dict(re.findall(r"^### (.+)\n((?:(?!^### ).*\n?)*)", SECTIONS["Alarms"], re.MULTILINE))
OURS = "".join(SECTIONS[name] for name in ("Alarms", "Backup and restore", "Upgrades", "Scaling"))
BLOCKS = re.findall(r"^```sh\n(.*?)^```", OURS, re.MULTILINE | re.DOTALL)
# Code between backticks, line breaks and all.
SPANS = [
    " ".join(span.split())
    for span in re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", OURS, flags=re.DOTALL))
]
OBSERVABILITY = ROOT / "infra/terraform/modules/observability"
TERRAFORM = "".join(path.read_text() for path in (ROOT / "infra/terraform").rglob("*.tf"))


def alarms() -> set[str]:
    """As Terraform names them, with the composite one."""
    text = (OBSERVABILITY / "alarms.tf").read_text()
    names = re.findall(r"^    ([a-z][a-z0-9-]+) = \{$", text, re.MULTILINE)
    names += re.findall(r"^      ([a-z][a-z0-9-]+)\s+= \{ what", text, re.MULTILINE)
    names += re.findall(r'^  alarm_name\s+= "\$\{var\.name\}-([a-z-]+)"', text, re.MULTILINE)
    return set(names)


def named(pattern: str) -> set[str]:
    """What the spans and blocks name by a pattern's group."""
    return {match for text in [*SPANS, *BLOCKS] for match in re.findall(pattern, text)}


def test_each_alarm_has_its_runbook_and_each_runbook_its_alarm() -> None:
    assert {"errors", "service", "first-token", "replica-lag", "cost"} <= alarms()
    assert set(RUNBOOKS) == alarms()


@pytest.mark.parametrize("name", sorted(RUNBOOKS))
def test_a_runbook_begins_with_whom_to_wake(name: str) -> None:
    assert re.match(r"\s*(Now|Today)[.,;:]? ", RUNBOOKS[name])


def test_scripts_targets_settings_endpoints_and_queries_exist() -> None:
    scripts = named(r"(scripts/\w+\.py)")
    assert {"scripts/backup.py", "scripts/debug_request.py", "scripts/doctor.py"} <= scripts
    assert [script for script in scripts if not (ROOT / script).is_file()] == []
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named(r"\bmake ([a-z-]+)") <= targets
    settings = {span.partition("=")[0] for span in SPANS if re.fullmatch(r"[A-Z][A-Z0-9_]+(=\S+)?", span)}
    assert {name.lower() for name in settings} <= set(Settings.model_fields)
    routes = {
        f"{method.upper()} {path}"
        for path, methods in json.loads((ROOT / "docs/openapi.json").read_text())["paths"].items()
        for method in methods
    }
    assert named(r"\b((?:GET|POST|PATCH|DELETE) /[\w/{}-]*)") <= routes
    saved = set(
        re.findall(r"^    ([a-z-]+) = \{\n      kinds", (OBSERVABILITY / "main.tf").read_text(), re.MULTILINE)
    )
    assert {"errors-by-route", "failed-jobs", "failed-model-calls", "one-request"} <= saved & set(SPANS)


def test_options_of_scripts_exist() -> None:
    for span in [*SPANS, *BLOCKS]:
        for script, rest in re.findall(r"scripts/(\w+)\.py([^&|\n]*)", span):
            text = (ROOT / "scripts" / f"{script}.py").read_text()
            assert [option for option in re.findall(r"--[a-z-]+", rest) if option not in text] == []


def test_words_with_underscores_are_metrics_tables_or_settings_of_terraform() -> None:
    causes = (ROOT / "app/debugging/causes.py").read_text()
    schema = "".join(path.read_text() for path in (ROOT / "db/migrations/versions").glob("*.py"))
    metrics = {metric.cloudwatch_name for metric in METRICS}
    unknown = [
        span
        for span in SPANS
        if re.fullmatch(r"[a-z]+(_[a-z]+)+", span)
        and not span.startswith("pg_")
        and span not in metrics
        and not re.search(rf"\b{span}\b", TERRAFORM + causes + schema + DOCUMENT.partition("## Alarms")[0])
    ]
    assert unknown == []


async def test_queries_run(logins: DatabaseLogins) -> None:
    queries = [span for span in SPANS if span.startswith("SELECT ") and "..." not in span]
    assert len(queries) >= 5
    owner = await connect(logins.owner)
    try:
        for query in queries:
            await owner.fetch(query)
    finally:
        await owner.close()
