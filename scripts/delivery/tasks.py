"""Revisions of task definitions, and the migration, which is a task that runs once."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from scripts.delivery.clients import Clients
from scripts.delivery.errors import FailedError
from scripts.delivery.target import Target

CONTAINER = "groundwork"
SHOWN_LINES = 20
# What DescribeTaskDefinition tells of a revision and RegisterTaskDefinition doesn't take.
OF_AWS = {
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
}


def register(clients: Clients, family: str, image: str) -> str:
    """The ARN of a revision like the newest one, with that image: Terraform's changes come along."""
    found = clients.ecs.describe_task_definition(taskDefinition=family, include=["TAGS"])
    given = {name: value for name, value in found["taskDefinition"].items() if name not in OF_AWS}
    containers = [_with_image(container, image) for container in given.pop("containerDefinitions")]
    tags = {"tags": found["tags"]} if found.get("tags") else {}
    made = clients.ecs.register_task_definition(containerDefinitions=containers, **given, **tags)
    return str(made["taskDefinition"]["taskDefinitionArn"])


def _with_image(container: Mapping[str, Any], image: str) -> Mapping[str, Any]:
    return {**container, "image": image} if container["name"] == CONTAINER else container


def deregister(clients: Clients, arn: str) -> None:
    """Schedules start the newest revision: it must not be one that was not kept."""
    clients.ecs.deregister_task_definition(taskDefinition=arn)


@dataclass(frozen=True, slots=True)
class Migration:
    """Brings the schema to the newest version, beside the version that serves."""

    clients: Clients
    target: Target
    limit_s: float
    poll_s: float

    def run(self, task_definition: str) -> None:
        """Run it to its end.

        Raises:
            FailedError: It could not start, failed, or took too long.
        """
        task = self._start(task_definition)
        try:
            ended = self._wait(task)
        except BaseException:
            self._stop(task)
            raise
        self._judge(task, ended)

    def _start(self, task_definition: str) -> str:
        started = self.clients.ecs.run_task(
            cluster=self.target.cluster,
            taskDefinition=task_definition,
            launchType="FARGATE",
            startedBy="deployment",
            networkConfiguration={
                "awsvpcConfiguration": {
                    "subnets": list(self.target.subnet_ids),
                    "securityGroups": [self.target.security_group],
                    "assignPublicIp": "DISABLED",
                }
            },
        )
        if not started["tasks"]:
            reasons = ", ".join(failure.get("reason", "?") for failure in started["failures"])
            raise FailedError(f"The migration could not start: {reasons}")
        return str(started["tasks"][0]["taskArn"])

    def _wait(self, arn: str) -> Mapping[str, Any]:
        deadline = time.monotonic() + self.limit_s
        while time.monotonic() < deadline:
            task = self._look(arn)
            if task and task["lastStatus"] == "STOPPED":
                return task
            time.sleep(self.poll_s)
        raise FailedError(f"The migration took longer than {self.limit_s:.0f} s")

    def _look(self, arn: str) -> Mapping[str, Any] | None:
        found = self.clients.ecs.describe_tasks(cluster=self.target.cluster, tasks=[arn])["tasks"]
        return found[0] if found else None  # it may be told of a moment late

    def _judge(self, arn: str, task: Mapping[str, Any]) -> None:
        codes = [each.get("exitCode") for each in task["containers"] if each["name"] == CONTAINER]
        if codes == [0]:
            return
        reason = task.get("stoppedReason", "")
        raise FailedError(
            f"The migration ended with code {codes[0] if codes else None}. {reason}{self._log(arn)}"
        )

    def _log(self, arn: str) -> str:
        """The end of what it wrote, if that can be had: why it failed is worth more than that it did."""
        stream = f"task/{CONTAINER}/{arn.rpartition('/')[2]}"
        try:
            said = self.clients.logs.get_log_events(
                logGroupName=self.target.migration_log_group, logStreamName=stream, limit=SHOWN_LINES
            )
        except (ClientError, BotoCoreError):
            return ""
        return "".join(f"\n  {event['message']}" for event in said["events"])

    def _stop(self, arn: str) -> None:
        task = self._look(arn)
        if task and task["lastStatus"] != "STOPPED":
            self.clients.ecs.stop_task(cluster=self.target.cluster, task=arn, reason="The deployment ended")
