"""The service against its OpenAPI document: requests that it describes, and requests that it forbids."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.access.roles import Role
from app.factory import create_app
from app.settings import Settings
from db.addresses import DatabaseLogins
from rag.models.local import LocalModels
from tests.integration.app.access import PEPPER
from tests.integration.app.aws import BUCKET, moto_aws
from tests.integration.conftest import running_service, settings_for
from tests.integration.security.routes import all_routes
from tests.standins.issuer import AUDIENCE, issuer_server

CONFIG = Path(__file__).with_name("schemathesis.toml")


@dataclass(frozen=True, slots=True)
class Fuzzer:
    """Schemathesis, with a token for each of two roles that together may call everything.

    Tokens, because it would revoke the key that it works with.
    """

    url: str
    document: Path
    tokens: dict[Role, str]

    async def run(self, role: Role, *options: str) -> dict[str, Any]:
        """Its report."""
        report = self.document.with_name("report.json")
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)),
            *("run", str(self.document), "--url", self.url, "--continue-on-failure"),
            *("--header", f"Authorization: Bearer {self.tokens[role]}", "--request-timeout", "60"),
            *("--report", "json", "--report-json-path", str(report), *options),
        ]
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.document.parent,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        print(said.decode())  # noqa: T201 - shown for a test that fails
        found: dict[str, Any] = json.loads(report.read_text())
        assert process.returncode == 0, [failure["title"] for failure in found["failures"]]
        assert found["errors"] == []
        return found


@pytest.fixture
async def fuzzer(logins: DatabaseLogins, local_models: LocalModels, tmp_path: Path) -> AsyncIterator[Fuzzer]:
    with moto_aws(), issuer_server() as issuer:
        settings = settings_for(
            logins,
            auth_mode="api_key,oidc",
            api_key_pepper=PEPPER,
            oidc_issuer=issuer.url,
            oidc_audience=AUDIENCE,
            rate_limits="off",
            documents_bucket=BUCKET,
            log_level="ERROR",
        )
        document = tmp_path / "openapi.json"
        document.write_text(json.dumps(create_app(settings).openapi()))
        until = int(time.time()) + 24 * 3600
        tokens = {
            role: issuer.token(groups=["tenant:default", f"role:{role}"], exp=until)
            for role in (Role.ADMIN, Role.OPERATOR)
        }
        async with running_service(settings, local_models) as client:
            yield Fuzzer(str(client.base_url), document, tokens)


def test_an_operation_says_how_to_show_who_asks_unless_it_is_public() -> None:
    document = create_app(Settings(_env_file=None)).openapi()
    schemes = document["components"]["securitySchemes"]
    assert set(schemes) == {"bearer", "api_key"}
    assert schemes["bearer"]["scheme"] == "bearer"
    assert (schemes["api_key"]["in"], schemes["api_key"]["name"]) == ("header", "X-API-Key")
    for route in all_routes():
        shown = document["paths"][route.path][route.method.lower()].get("security", [])
        assert shown == ([] if route.permission is None else [{"bearer": []}, {"api_key": []}]), route


async def test_the_service_does_what_its_document_says(fuzzer: Fuzzer) -> None:
    found = await fuzzer.run(Role.ADMIN, "--max-examples", "6", "--phases", "examples,fuzzing")
    assert found["test_cases"]["generated"] >= 300


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_the_service_does_what_its_document_says_ten_thousand_times(fuzzer: Fuzzer) -> None:
    generated = 0
    while generated < 10_000:
        found = await fuzzer.run(Role.ADMIN, "--max-examples", "30")
        generated += found["test_cases"]["generated"]
    of_operator = await fuzzer.run(
        Role.OPERATOR, "--max-examples", "30", "--include-path-regex", "^/admin/(tenants|keys)"
    )
    assert of_operator["test_cases"]["generated"] >= 30
