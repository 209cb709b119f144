"""A deployment on moto's server; that tasks run is stood in for at the wire (tests/standins/fargate.py)."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.deploy import LOOK, OLD_SERVES, SERVES, main
from tests.integration.delivery.world import REVISION, World, world
from tests.standins.moto import moto_server

ROOT = Path(__file__).parents[3]
FAST = ["--watch-s", "0.02", "--poll-s", "0.01"]
OLD = {"api": 1, "worker": 1, "migration": 1}


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def environment(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(moto_url, monkeypatch) as made:
        yield made


def run(*more: str) -> int:
    return main(["run", "--revision", REVISION, *FAST, *more])


def shares(environment: World) -> list[str]:
    return [call for call in environment.fargate.calls if call.startswith("Weights:")]


def is_as_before(environment: World) -> bool:
    return (
        environment.weights() == (100, 0)
        and environment.revisions() == environment.before
        and environment.tasks() == {"api": 2, "api-canary": 0, "worker": 2}
        and environment.newest() == OLD
    )


def test_a_version_that_is_fit_comes_step_by_step(environment: World) -> None:
    assert run() == SERVES
    assert shares(environment) == ["Weights:10", "Weights:50", "Weights:100", "Weights:0"]
    assert environment.weights() == (100, 0)
    assert environment.tasks() == {"api": 2, "api-canary": 0, "worker": 2}
    images = environment.images()
    assert images["api"].startswith("@sha256:")  # by its digest
    assert images["api"] == images["worker"] == images["api-canary"]
    assert environment.newest() == {"api": 2, "worker": 2, "migration": 2}
    calls = environment.fargate.calls
    assert calls.index("RunTask") < calls.index("UpdateService") < calls.index("Weights:10")
    assert environment.service.asked == ["canary"] * 4 + ["stable"] * 8
    ((subject, message),) = environment.notices()
    assert subject == f"test: {REVISION[:12]} is deployed"
    assert message.startswith("All requests go to it.")


def test_only_the_image_of_a_task_changes(environment: World) -> None:
    assert run() == SERVES
    ecs = environment.client("ecs")
    found = [
        ecs.describe_task_definition(taskDefinition=f"test-api:{number}", include=["TAGS"])
        for number in (1, 2)
    ]
    old, new = (each["taskDefinition"]["containerDefinitions"] for each in found)
    assert new[1] == old[1]
    assert {**new[0], "image": old[0]["image"]} == old[0]
    assert found[0]["tags"] == found[1]["tags"]


@pytest.mark.parametrize("share", ["Weights:10", "Weights:100"])
def test_an_alarm_takes_all_requests_back_to_the_old_version(environment: World, share: str) -> None:
    environment.fargate.before_call = lambda call: environment.ring() if call == share else None
    assert run() == OLD_SERVES
    assert shares(environment)[-2:] == [share, "Weights:0"]
    assert is_as_before(environment)
    ((subject, message),) = environment.notices()
    assert subject == f"test: {REVISION[:12]} was rolled back"
    assert "groundwork-test-service (5xx over 2 percent)" in message


def test_an_alarm_during_the_promotion_gives_services_their_old_version_back(environment: World) -> None:
    def ring_once_promoted(call: str) -> None:
        if call == "RegisterTaskDefinition" and environment.weights() == (0, 100):
            environment.ring()

    environment.fargate.before_call = ring_once_promoted
    assert run() == OLD_SERVES
    assert is_as_before(environment)


def test_a_migration_that_fails_leaves_the_old_version_serving(environment: World) -> None:
    logs = environment.client("logs")

    def write_log(call: str) -> None:
        if call == "DescribeTasks":
            task = environment.client("ecs").list_tasks(cluster="test")["taskArns"][0].rpartition("/")[2]
            stream = {"logGroupName": "/test/migration", "logStreamName": f"task/groundwork/{task}"}
            logs.create_log_stream(**stream)
            logs.put_log_events(
                **stream, logEvents=[{"timestamp": int(time.time() * 1000), "message": "No disk"}]
            )

    environment.fargate.before_call = write_log
    environment.fargate.exit_code = 1
    assert run() == OLD_SERVES
    assert not shares(environment)
    assert "UpdateService" not in environment.fargate.calls
    assert is_as_before(environment)
    ((_, message),) = environment.notices()
    assert "The migration ended with code 1." in message
    assert "\n  No disk" in message


def test_a_migration_is_stopped_when_the_deployment_is(environment: World) -> None:
    environment.fargate.exit_code = None

    def end_it(call: str) -> None:
        if call == "DescribeTasks" and "StopTask" not in environment.fargate.calls:
            os.kill(os.getpid(), signal.SIGTERM)

    environment.fargate.before_call = end_it
    handler = signal.getsignal(signal.SIGTERM)
    assert run() == OLD_SERVES
    assert signal.getsignal(signal.SIGTERM) is handler
    assert "StopTask" in environment.fargate.calls
    assert not shares(environment)
    assert is_as_before(environment)
    assert "told to end (SIGTERM)" in environment.notices()[0][1]


def test_a_canary_that_answers_wrongly_gets_no_request_of_a_user(environment: World) -> None:
    environment.service.wrong = True
    assert run() == OLD_SERVES
    assert not shares(environment)
    assert is_as_before(environment)
    ((_, message),) = environment.notices()
    assert "'How many vacation days do full-time employees have?' was answered without a citation" in message


@pytest.mark.parametrize("after", [0, 4], ids=["before", "after"])
def test_wrong_answers_to_smoke_questions_of_all_requests_roll_back(environment: World, after: int) -> None:
    """With the first four, the canary has all requests; the next four are asked once it is promoted."""
    environment.service.wrong_after = after
    assert run() == OLD_SERVES
    assert shares(environment)[-1] == "Weights:0"
    assert is_as_before(environment)


def test_tasks_that_don_t_start_get_no_request(environment: World) -> None:
    environment.fargate.broken = True
    assert run() == OLD_SERVES
    assert not shares(environment)
    assert is_as_before(environment)
    assert "Tasks of api-canary don't start" in environment.notices()[0][1]


def test_an_alarm_that_is_on_already_stops_a_deployment_unless_it_is_a_repair(environment: World) -> None:
    environment.ring()
    assert run() == OLD_SERVES
    assert "RegisterTaskDefinition" not in environment.fargate.calls
    ((subject, message),) = environment.notices()
    assert subject.endswith("was not deployed")
    assert message.startswith("Nothing was changed. An alarm is on")
    assert run("--despite-alarms") == SERVES


def test_an_image_that_is_not_in_the_registry_is_refused(environment: World) -> None:
    assert main(["run", "--revision", "b" * 40, *FAST]) == OLD_SERVES
    assert is_as_before(environment)
    assert f"The registry has no image of {'b' * 40}" in environment.notices()[0][1]


def test_a_way_back_that_is_not_allowed_asks_for_somebody_to_look(environment: World) -> None:
    environment.fargate.denied = {"DeregisterTaskDefinition"}
    environment.fargate.before_call = lambda call: environment.ring() if call == "Weights:10" else None
    assert run() == LOOK
    assert environment.weights() == (100, 0)  # the rest is put back all the same
    assert environment.tasks() == {"api": 2, "api-canary": 0, "worker": 2}
    ((subject, message),) = environment.notices()
    assert subject.endswith("failed and SOMEBODY HAS TO LOOK")
    assert "Not put back:\n- arn:aws:ecs:" in message


def test_what_a_killed_deployment_left_is_put_back_and_blocks_another_one(environment: World) -> None:
    ecs, elbv2 = environment.client("ecs"), environment.client("elbv2")
    weights = zip(environment.deployment["target_groups"].values(), (90, 10), strict=True)
    groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights]
    elbv2.modify_listener(
        ListenerArn=environment.deployment["listener_arn"],
        DefaultActions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}],
    )
    ecs.update_service(cluster="test", service="api-canary", desiredCount=1)
    assert run() == OLD_SERVES
    assert "The canary gets 10 % of an earlier deployment" in environment.notices()[0][1]

    assert main(["restore"]) == OLD_SERVES
    assert is_as_before(environment)
    assert "took 10 % of the requests from the canary" in str(environment.notices())
    assert main(["restore"]) == SERVES


def test_a_program_that_is_told_to_end_takes_all_requests_back_first(environment: World) -> None:
    began: list[subprocess.Popen[str]] = []

    def end_it(call: str) -> None:
        if call == "DescribeAlarms" and environment.weights() == (50, 50):
            began[0].send_signal(signal.SIGTERM)

    environment.fargate.before_call = end_it
    command = [sys.executable, "scripts/deploy.py", "run", "--revision", REVISION, "--watch-s", "1"]
    with subprocess.Popen(
        [*command, "--poll-s", "0.01"], cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, text=True
    ) as process:
        began.append(process)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == OLD_SERVES, said
    assert shares(environment) == ["Weights:10", "Weights:50", "Weights:0"]
    assert is_as_before(environment)
    ((subject, message),) = environment.notices()
    assert subject == f"test: {REVISION[:12]} was rolled back"
    assert "The deployment was told to end (SIGTERM)" in message
