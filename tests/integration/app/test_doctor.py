"""What the doctor says of deployments that are wrong in one way each."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest

from app.doctor import Finding, State, examine
from db.addresses import DatabaseLogins
from tests.integration.conftest import settings_for
from tests.standins.aws import forget_aws, use_bedrock
from tests.standins.bedrock.control import Bedrock
from tests.standins.bedrock.server import bedrock_standin
from tests.standins.local_aws import MODELS, local_aws

SECRET = "wJalrXUtnFEMI-secret-of-a-test"


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bedrock]:
    with bedrock_standin() as server:
        use_bedrock(monkeypatch, server.url)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        server.reply = "ready"
        yield server


async def found(logins: DatabaseLogins, **settings: object) -> dict[str, Finding]:
    models = {name.lower(): value for name, value in MODELS.items()}
    findings = [finding async for finding in examine(settings_for(logins, **{**models, **settings}))]
    assert SECRET not in str(findings)
    return {finding.check.split()[0]: finding for finding in findings}


async def test_a_model_without_access_is_told_apart_from_an_unknown_one(
    bedrock: Bedrock, logins: DatabaseLogins
) -> None:
    bedrock.denied_models = {"amazon.titan-embed-text-v2:0"}
    findings = await found(logins, chat_model="bedrock:amazon.nova-nonsense-v9:0")
    assert findings["embedding"].state is findings["chat"].state is State.FAILED
    assert "access" in findings["embedding"].detail
    assert "AWS_REGION" in findings["chat"].detail
    assert findings["reranker"].state is State.OK


async def test_expired_credentials_are_named(bedrock: Bedrock, logins: DatabaseLogins) -> None:
    bedrock.credentials_expired = True
    findings = await found(logins)
    assert findings["chat"].state is State.FAILED
    assert "credentials" in findings["chat"].detail


@pytest.mark.parametrize("kind", ["not_enabled", "not_offered"])
async def test_a_wrong_region_is_suspected(bedrock: Bedrock, logins: DatabaseLogins, kind: str) -> None:
    bedrock.wrong_region = kind
    detail = (await found(logins))["chat"].detail
    assert "AWS_REGION" in detail or "credentials" in detail


async def test_a_guardrail_that_blocks_the_harmless_is_reported(
    bedrock: Bedrock, logins: DatabaseLogins
) -> None:
    bedrock.blocked_words = ["vacation"]
    findings = await found(logins, guardrail_id="gr-1")
    assert findings["guardrail"].state is State.FAILED
    assert "refused the question" in findings["guardrail"].detail


async def test_no_region_at_all_is_named(monkeypatch: pytest.MonkeyPatch, logins: DatabaseLogins) -> None:
    forget_aws(monkeypatch)
    findings = await found(logins)
    assert "AWS_REGION" in findings["AWS"].detail
    assert "AWS_REGION" in findings["chat"].detail


@pytest.fixture(scope="module")
def aws() -> Iterator[Mapping[str, str]]:
    with local_aws() as variables, pytest.MonkeyPatch.context() as monkeypatch:
        forget_aws(monkeypatch)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield variables


async def test_buckets_and_queues_that_are_missing_or_elsewhere_are_reported(
    aws: Mapping[str, str], logins: DatabaseLogins
) -> None:
    boto3.client("s3", region_name="us-west-2").create_bucket(
        Bucket="far-away", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    alone = boto3.client("sqs", region_name="eu-central-1").create_queue(QueueName="alone")["QueueUrl"]
    findings = await found(
        logins, documents_bucket="far-away", artifacts_bucket="nobody-has-it", events_queue_url=alone
    )
    assert findings["DOCUMENTS_BUCKET"].state is State.WARNING
    assert "us-west-2" in findings["DOCUMENTS_BUCKET"].detail
    assert findings["ARTIFACTS_BUCKET"].state is State.FAILED
    assert findings["EVENTS_QUEUE_URL"].state is State.WARNING
    assert "dead-letter" in findings["EVENTS_QUEUE_URL"].detail
    assert findings["chat"].state is State.OK


def test_the_command_says_what_fails_and_ends_with_one(logins: DatabaseLogins) -> None:
    told = run(logins, CHAT_MODEL="bedrock:amazon.nova-lite-v1:0")
    assert told.returncode == 1
    states: dict[str, Any] = {finding["check"].split()[0]: finding for finding in json.loads(told.stdout)}
    assert (states["chat"]["state"], states["embedding"]["state"]) == ("failed", "ok")
    assert run(logins).returncode == 0


def run(logins: DatabaseLogins, **settings: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [sys.executable, "scripts/doctor.py", "--json"],
        env=kept | {"DATABASE_URL": logins.owner.url, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
