"""What the Terraform configuration says, held against the rest of the repository. Nothing is applied."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

from app.settings import Settings
from tests.infra.terraform import PROGRAM, ROOT, SOURCE, Terraform, copy_to, unsupported

needs_terraform = pytest.mark.skipif(PROGRAM is None, reason="needs Terraform")
ENVIRONMENTS = sorted((SOURCE / "environments").glob("*.tfvars"))
# Those of the SDKs of AWS and OpenTelemetry.
SETTINGS_OF_OTHERS = {"AWS_REGION", "OTEL_EXPORTER_OTLP_ENDPOINT"}


@needs_terraform
def test_it_is_formatted() -> None:
    Terraform(SOURCE, os.environ).run("fmt", "-check", "-recursive")


@needs_terraform
@pytest.mark.slow
@pytest.mark.parametrize("source", [SOURCE, SOURCE / "bootstrap"], ids=["terraform", "bootstrap"])
def test_it_is_valid(source: Path, tmp_path: Path) -> None:
    terraform = Terraform(copy_to(tmp_path / "copy", overrides={}, source=source), {"HOME": str(tmp_path)})
    terraform.init("-backend=false")
    terraform.run("validate")


@needs_terraform
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_the_emulator_lacks_is_planned_by_a_provider_that_makes_everything_up(tmp_path: Path) -> None:
    terraform = Terraform(copy_to(tmp_path / "copy", overrides={}), {"HOME": str(tmp_path)})
    terraform.init("-backend=false")
    said = terraform.run("test", seconds=600)
    sys.stdout.write(said.strip().splitlines()[-1] + "\n")
    assert re.search(r"Success! \d+ passed, 0 failed", said)


def test_settings_of_tasks_are_those_of_the_example() -> None:
    text = (SOURCE / "settings.tf").read_text() + (SOURCE / "modules/service/tasks.tf").read_text()
    named = set(re.findall(r"\b([A-Z][A-Z0-9]*_[A-Z0-9_]+|HOST|PORT|ROLE)\s+=", text))
    assert {"ROLE", "DB_SECRET", "DOCUMENTS_BUCKET", "FIELD_ENCRYPTION_KMS_KEY"} <= named
    example = set(re.findall(r"^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert named - SETTINGS_OF_OTHERS <= example


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_names_itself_and_scripts_that_exist(path: Path) -> None:
    text = path.read_text()
    assert f'environment = "{path.stem}"' in text
    scripts = re.findall(r'"(scripts/\w+\.py)"', text)
    assert scripts
    assert [script for script in scripts if not (ROOT / script).is_file()] == []


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_the_state_of_an_environment_is_its_own(path: Path) -> None:
    backend = (SOURCE / "backends" / f"{path.stem}.s3.tfbackend").read_text()
    assert f'key          = "{path.stem}/groundwork.tfstate"' in backend
    assert "use_lockfile = true" in backend


def test_the_secret_that_is_made_is_one_of_the_settings() -> None:
    assert "api_key_pepper" in Settings.model_fields
    assert "API_KEY_PEPPER =" in (SOURCE / "main.tf").read_text()


def test_each_alarm_is_explained() -> None:
    alarms = (SOURCE / "modules/observability/alarms.tf").read_text()
    names = {*re.findall(r"^    ([a-z][a-z0-9-]+) = \{$", alarms, re.MULTILINE), "errors"}
    names |= set(re.findall(r"^      ([a-z][a-z0-9-]+)\s+= \{ what", alarms, re.MULTILINE))
    assert {"first-token", "dead-letters", "latency-p99", "low-groundedness", "cost", "replica-lag"} <= names
    explained = re.findall(
        r"^\| ([a-z0-9-]+) \|", (ROOT / "docs/infrastructure.md").read_text(), re.MULTILINE
    )
    assert names <= set(explained)


@pytest.mark.parametrize("path", sorted((SOURCE / "dashboards").glob("*.json")), ids=lambda path: path.stem)
def test_a_dashboard_fits_into_the_grid(path: Path) -> None:
    widgets = json.loads(path.read_text())["widgets"]
    for widget in widgets:
        assert widget["x"] + widget["width"] <= 24
    taken = [
        (column, row)
        for widget in widgets
        for column in range(widget["x"], widget["x"] + widget["width"])
        for row in range(widget["y"], widget["y"] + widget["height"])
    ]
    assert len(taken) == len(set(taken))


def test_what_the_emulator_lacks_is_asserted_elsewhere() -> None:
    """Outputs of these resources are what `terraform test` looks at."""
    lacking = {known.resource for known in unsupported() if not known.attribute}
    assert lacking
    code = "\n".join(path.read_text() for path in SOURCE.glob("modules/*/outputs.tf"))
    assert {kind for kind in lacking if kind not in code} <= {
        "aws_elasticache_parameter_group",  # parts of the replication group, whose address is an output
        "aws_elasticache_user_group",
    }
