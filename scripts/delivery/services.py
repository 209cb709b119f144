"""Services of the cluster: what they run, and whether they have come to rest."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.delivery.clients import Clients
from scripts.delivery.errors import FailedError


@dataclass(frozen=True, slots=True)
class State:
    """A service: the revision that it runs or comes to run, and how many tasks it shall have and has.

    Attributes:
        at_rest: Nothing but that revision runs, in that number.
        failed: Revisions that ECS gave up; it may have gone back to an older one by itself.
    """

    task_definition: str
    desired: int
    running: int
    at_rest: bool
    failed: frozenset[str]

    @classmethod
    def of(cls, service: Mapping[str, Any]) -> "State":
        deployments = service["deployments"]
        primary = next(each for each in deployments if each["status"] == "PRIMARY")
        arn, desired, running = primary["taskDefinition"], service["desiredCount"], service["runningCount"]
        alone = len(deployments) == 1 and running == desired
        return cls(
            task_definition=arn,
            desired=desired,
            running=running,
            at_rest=alone and primary.get("rolloutState", "COMPLETED") == "COMPLETED",
            failed=frozenset(
                each["taskDefinition"] for each in deployments if each.get("rolloutState") == "FAILED"
            ),
        )


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one cluster.

    Args:
        limit_s: How long one may take until it is at rest.
    """

    clients: Clients
    cluster: str
    limit_s: float
    poll_s: float

    def look(self, name: str) -> State:
        found = self.clients.ecs.describe_services(cluster=self.cluster, services=[name])["services"]
        if not found or found[0]["status"] != "ACTIVE":
            raise FailedError(f"The cluster has no service {name}")
        return State.of(found[0])

    def update(self, name: str, *, task_definition: str | None = None, tasks: int | None = None) -> None:
        changes: dict[str, Any] = {} if task_definition is None else {"taskDefinition": task_definition}
        if tasks is not None:
            changes["desiredCount"] = tasks
        self.clients.ecs.update_service(cluster=self.cluster, service=name, **changes)

    def wait(self, name: str, task_definition: str, *, watch: Callable[[], None] = lambda: None) -> None:
        """Until it is at rest with that revision. What `watch` raises meanwhile ends the wait.

        Raises:
            FailedError: ECS gave up on it or took too long.
        """
        deadline, told = time.monotonic() + self.limit_s, False
        while time.monotonic() < deadline:
            state = self.look(name)
            runs = state.task_definition == task_definition
            if task_definition in state.failed or (told and not runs):
                raise FailedError(f"Tasks of {name} don't start: ECS gave them up (see the service's events)")
            if runs and state.at_rest:
                return
            told = told or runs  # ECS may tell of the old revision for a moment
            watch()
            time.sleep(self.poll_s)
        raise FailedError(f"{name} did not come to rest in {self.limit_s:.0f} s")
