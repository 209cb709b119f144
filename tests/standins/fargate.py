"""What moto's server leaves out of ECS: that tasks run. It stands before moto's server and passes all on.

A service has the tasks that it shall have at once, with their addresses in its target group; a task that is
run ends at once, with the exit code that is set. Nothing else is made up: task definitions, weights, alarms,
notices and targets' health are moto's own answers.
"""

import json
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.standins.http import QuietHandler, http_server

ECS = "AmazonEC2ContainerServiceV20141113."
PORT = 8000


@dataclass(slots=True)
class Fargate:
    """What happens to tasks.

    Attributes:
        exit_code: Of tasks that are run; None: they go on.
        broken: Whether tasks of the canary don't start.
        calls: Names of ECS's calls, and "Weights:<canary's>" for each that moves them, in order.
        denied: Calls that the role may not make.
        before_call: Called with each name, before it is answered.
        targets: Registers and deregisters addresses of tasks; set by the world.
    """

    exit_code: int | None = 0
    broken: bool = False
    calls: list[str] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    before_call: Callable[[str], None] = lambda _: None
    targets: Callable[[str, int], None] = lambda _group, _count: None

    def answered(self, call: str, answer: MutableMapping[str, Any]) -> None:
        """Complete moto's answer."""
        if call in {"DescribeServices", "UpdateService"}:
            for service in answer.get("services", [answer.get("service")]):
                self._run(service)
        if call == "DescribeTasks" and self.exit_code is not None:
            for task in answer["tasks"]:
                self._end(task)

    def _run(self, service: MutableMapping[str, Any]) -> None:
        """It has what it shall have; with a broken image, ECS gives up."""
        wanted = service["desiredCount"]
        started = not (self.broken and service["serviceName"] == "api-canary")
        service["runningCount"] = wanted if started else 0
        service["deployments"] = [
            {
                "status": "PRIMARY",
                "taskDefinition": service["taskDefinition"],
                "desiredCount": wanted,
                "runningCount": service["runningCount"],
                "rolloutState": "COMPLETED" if started else "FAILED",
            }
        ]
        for group in service["loadBalancers"]:
            self.targets(group["targetGroupArn"], service["runningCount"])

    def _end(self, task: MutableMapping[str, Any]) -> None:
        task["lastStatus"] = "STOPPED"
        task["stoppedReason"] = "Essential container in task exited"
        task["containers"] = [{"name": "groundwork", "exitCode": self.exit_code}]


@contextmanager
def fargate_before(moto_url: str, fargate: Fargate) -> Iterator[str]:
    """The URL to use in place of moto's."""
    with httpx.Client(base_url=moto_url, timeout=30) as moto:

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                body = self.body()
                call = _name_of(self.headers.get("X-Amz-Target", ""), body)
                fargate.before_call(call)
                fargate.calls.append(call)
                if call in fargate.denied:
                    refusal = json.dumps({"__type": "AccessDeniedException", "message": call}).encode()
                    self.reply(400, refusal, "application/x-amz-json-1.1")
                    return
                passed = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                answer = moto.post(self.path, content=body, headers=passed)
                self.reply(
                    answer.status_code, self._completed(call, answer), answer.headers.get("Content-Type", "")
                )

            def _completed(self, call: str, answer: httpx.Response) -> bytes:
                if answer.status_code >= 400 or not self.headers.get("X-Amz-Target", "").startswith(ECS):
                    return answer.content
                said = answer.json()
                fargate.answered(call, said)
                return json.dumps(said).encode()

        with http_server(Handler) as url:
            yield url


def _name_of(target: str, body: bytes) -> str:
    if target:
        return target.rpartition(".")[2]
    form: Mapping[str, str] = dict(httpx.QueryParams(body.decode(errors="replace")))
    name = form.get("Action", "?")
    if name != "ModifyListener":
        return name
    groups = "DefaultActions.member.1.ForwardConfig.TargetGroups.member"
    canary = next(
        form[f"{groups}.{at}.Weight"] for at in (1, 2) if "canary" in form[f"{groups}.{at}.TargetGroupArn"]
    )
    return f"Weights:{canary}"
