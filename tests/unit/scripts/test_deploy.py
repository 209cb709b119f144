"""What is refused before anything is changed, and how the end is told."""

import json
from typing import Any

import boto3
import pytest

from scripts.delivery.clients import Clients
from scripts.delivery.errors import RefusedError
from scripts.delivery.notice import Notices
from scripts.delivery.plan import Plan
from scripts.delivery.services import State
from scripts.delivery.smoke import read_questions
from scripts.delivery.target import Target
from scripts.deploy import OLD_SERVES, main
from tests.standins.aws import REGION, forget_aws, use_aws
from tests.standins.http import QuietHandler, http_server

DEPLOYMENT: dict[str, Any] = {
    "region": REGION,
    "url": "https://groundwork.example.com",
    "canary_key": "c",
    "registry": "registry/groundwork",
    "cluster": "groundwork-test",
    "services": ["api", "api-canary", "worker"],
    "task_definitions": {"api": "a", "worker": "w", "migration": "m"},
    "subnet_ids": ["subnet-1"],
    "security_group": "sg-1",
    "listener_arn": "listener",
    "target_groups": {"stable": "s", "canary": "c"},
    "service_alarm": "groundwork-test-service",
    "alarms_topic": "topic",
    "log_groups": {"migration": "/test/migration"},
}


def test_what_terraform_says_is_read() -> None:
    target = Target.of(json.dumps(DEPLOYMENT))
    assert target.alarms == ("groundwork-test-service",)
    assert target.canary_group == "c"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"services": ["api", "worker"]}, "The cluster has no service api-canary"),
        ({"service_alarm": None}, "There is no alarm to watch"),
        ({"target_groups": {"stable": "s"}}, "lacks 'canary'"),
        ({"task_definitions": None}, "is no such object"),
    ],
)
def test_an_environment_that_can_t_be_deployed_to_is_refused(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(RefusedError, match=complaint):
        Target.of(json.dumps(DEPLOYMENT | change))


def test_without_settings_nothing_is_begun(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    forget_aws(monkeypatch)
    monkeypatch.delenv("DEPLOYMENT", raising=False)
    assert main(["restore"]) == OLD_SERVES
    assert "DEPLOYMENT is `terraform output -json deployment`" in capsys.readouterr().err
    monkeypatch.setenv("DEPLOYMENT", json.dumps(DEPLOYMENT))
    monkeypatch.delenv("SMOKE_API_KEY", raising=False)
    assert main(["run", "--revision", "a" * 40]) == OLD_SERVES
    assert capsys.readouterr().err == "SMOKE_API_KEY is not set: smoke questions could not be asked\n"


@pytest.mark.parametrize("steps", [(), (0, 100), (10, 10, 100), (50, 10, 100), (10, 50), (10, 200)])
def test_steps_rise_to_all_requests(steps: tuple[int, ...]) -> None:
    with pytest.raises(RefusedError, match="Steps rise from above 0 to 100"):
        Plan(steps=steps)


def test_a_service_that_ecs_took_back_by_itself_is_at_rest_with_its_old_revision_only_when_alone() -> None:
    new = {"status": "ACTIVE", "taskDefinition": "api:2", "rolloutState": "FAILED"}
    old = {"status": "PRIMARY", "taskDefinition": "api:1", "rolloutState": "COMPLETED"}
    service = {"desiredCount": 2, "runningCount": 2}
    draining = State.of({**service, "deployments": [old, new]})
    assert (draining.task_definition, draining.failed, draining.at_rest) == (
        "api:1",
        frozenset({"api:2"}),
        False,
    )
    assert State.of({**service, "deployments": [old]}).at_rest
    assert not State.of({**service, "runningCount": 1, "deployments": [old]}).at_rest


def test_smoke_questions_say_what_is_expected() -> None:
    questions = read_questions()
    assert len(questions) > 2
    assert all(bool(question.expected) != question.abstains for question in questions)


def test_a_notice_goes_to_slack_though_the_topic_fails_and_the_other_way_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[Any] = []

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.body()
            if self.path == "/slack":
                told.append(json.loads(body))
            self.reply(200 if self.path == "/slack" else 403, b"", "text/plain")

    with http_server(Handler) as url:
        use_aws(monkeypatch, url)
        clients = Clients(*([boto3.client("sns", region_name=REGION)] * 6))
        failures = Notices(clients, "arn:topic", f"{url}/slack").send("Ended", "Well")
        assert [failure.partition(":")[0] for failure in failures] == ["SNS"]
        assert told == [{"text": "*Ended*\nWell"}]
        refused = Notices(clients, "arn:topic", f"{url}/hook-with-a-secret").send("Ended", "Well")
    assert refused[1:] == ["Slack: HTTPStatusError"]
    assert len(told) == 1
