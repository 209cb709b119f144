"""A deployment from one end to the other, and the way back."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from scripts.delivery.alarms import Alarms
from scripts.delivery.clients import Clients
from scripts.delivery.errors import FailedError, RefusedError
from scripts.delivery.plan import Plan
from scripts.delivery.services import Services, State
from scripts.delivery.smoke import Smoke
from scripts.delivery.target import API, CANARY, WORKER, Target
from scripts.delivery.tasks import Migration, deregister, register
from scripts.delivery.traffic import WHOLE, Traffic

Say = Callable[[str], None]


@dataclass(slots=True)
class Done:
    """What a deployment has changed so far, and what was there before.

    Attributes:
        registered: Revisions that were made.
        updated: Services that got the new version, with the revision that they had.
        moved: Whether requests may go to the canary.
    """

    registered: list[str] = field(default_factory=list)
    updated: dict[str, str] = field(default_factory=dict)
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Rollout:
    """Brings one image to one environment. `forward` goes there, `back` from wherever it was left."""

    clients: Clients
    target: Target
    plan: Plan
    smoke: Smoke
    say: Say
    done: Done = field(default_factory=Done)

    @property
    def services(self) -> Services:
        return Services(self.clients, self.target.cluster, self.plan.service_s, self.plan.poll_s)

    @property
    def traffic(self) -> Traffic:
        return Traffic(self.clients, self.target)

    def check(self) -> State:
        """The stable version.

        Raises:
            RefusedError: The environment isn't in a state to deploy to.
        """
        share = self.traffic.canary_weight()
        if share:
            raise RefusedError(
                f"The canary gets {share} % of an earlier deployment: `scripts/deploy.py restore`"
            )
        stable = self.services.look(API)
        if not stable.at_rest or not stable.desired:
            raise RefusedError(f"{API} isn't at rest: {stable.running} of {stable.desired} tasks run")
        on = self._alarms().on()
        if on and not self.plan.despite_alarms:
            raise RefusedError(f"An alarm is on before anything was changed: {_named(on)}")
        return stable

    def forward(self, image: str, stable: State) -> None:
        """Bring it there, beside the stable version that `check` found.

        Raises:
            FailedError, RefusedError: The new version isn't fit; `back` has to follow.
            InterruptedDelivery: The process was told to end; the same.
            ClientError, BotoCoreError: AWS says no; the same.
        """
        watch = self._watching()
        self._migrate(image)
        revision = self._start_canary(image, stable.desired)
        for weight in self.plan.steps:
            self._step(weight, stable.desired, revision, watch)
        self.smoke.ask()
        self._promote(image, revision, stable, watch)

    def _migrate(self, image: str) -> None:
        self.say("Migration")
        arn = self._register("migration", image)
        Migration(self.clients, self.target, self.plan.migration_s, self.plan.poll_s).run(arn)

    def _start_canary(self, image: str, tasks: int) -> str:
        self.say("Canary: started, without requests of users")
        revision = self._register(API, image)
        self.done.updated[CANARY] = self.services.look(CANARY).task_definition
        self.services.update(CANARY, task_definition=revision, tasks=_share(self.plan.steps[0], tasks))
        self._wait_for_canary(_share(self.plan.steps[0], tasks), revision, lambda: None)
        self.smoke.ask(canary=True)
        return revision

    def _step(self, weight: int, tasks: int, revision: str, watch: Callable[[], None]) -> None:
        self.services.update(CANARY, tasks=_share(weight, tasks))
        self._wait_for_canary(_share(weight, tasks), revision, watch)
        self.done.moved = True
        self.traffic.move(weight)
        self.say(f"Canary: {weight} % of the requests")
        deadline = time.monotonic() + self.plan.watch_s
        while True:
            watch()
            self._check_canary()
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(self.plan.poll_s, left))

    def _wait_for_canary(self, tasks: int, revision: str, watch: Callable[[], None]) -> None:
        self.services.wait(CANARY, revision, watch=watch)
        deadline = time.monotonic() + self.plan.service_s
        while self.traffic.ready(self.target.canary_group) < tasks:
            if time.monotonic() > deadline:
                raise FailedError("Tasks of the canary don't become ready")
            watch()
            time.sleep(self.plan.poll_s)

    def _promote(self, image: str, revision: str, stable: State, watch: Callable[[], None]) -> None:
        """The stable service gets the version while the canary serves, and then the requests."""
        self.say("Promotion: services api and worker")
        self.done.updated[API] = stable.task_definition
        self.services.update(API, task_definition=revision, tasks=stable.desired)
        worker = self._register(WORKER, image)
        self.done.updated[WORKER] = self.services.look(WORKER).task_definition
        self.services.update(WORKER, task_definition=worker)
        self.services.wait(API, revision, watch=watch)
        self.services.wait(WORKER, worker, watch=watch)
        self.traffic.move(0)
        self.smoke.ask()
        watch()
        self.services.update(CANARY, tasks=0)

    def back(self, *, hurry: bool) -> list[str]:
        """All requests to the old version, first of all; then services and revisions as they were.

        Args:
            hurry: Don't wait until the services are at rest.

        Returns:
            What could not be put back: somebody has to look.
        """
        old = dict(self.done.updated)
        steps: list[tuple[str, Callable[[], None]]] = [
            *([("the weights", lambda: self.traffic.move(0))] if self.done.moved else []),
            *((name, _putting_back(self.services, name, arn)) for name, arn in old.items() if name != CANARY),
        ]
        if API in old and not hurry:
            steps.append((API, lambda: self.services.wait(API, old[API])))
        if CANARY in old:
            steps.append((CANARY, lambda: self.services.update(CANARY, task_definition=old[CANARY], tasks=0)))
        steps += [(arn, _deregistering(self.clients, arn)) for arn in self.done.registered]
        return [problem for name, step in steps if (problem := self._try(name, step))]

    def restore(self) -> list[str]:
        """After a deployment that was killed: all requests to `stable`, and no canary. What was done."""
        made = []
        share, canary = self.traffic.canary_weight(), self.services.look(CANARY)
        if share:
            state = self.services.look(API)
            self.services.wait(API, state.task_definition)
            self.traffic.move(0)
            made.append(f"took {share} % of the requests from the canary")
        if canary.desired:
            self.services.update(CANARY, tasks=0)
            made.append(f"stopped {canary.desired} tasks of the canary")
        return made

    def _register(self, kind: str, image: str) -> str:
        arn = register(self.clients, self.target.families[kind], image)
        self.done.registered.append(arn)
        return arn

    def _alarms(self) -> Alarms:
        return Alarms(self.clients, self.target.alarms)

    def _watching(self) -> Callable[[], None]:
        """Raises when an alarm has gone off since now."""
        before = set(self._alarms().on())

        def watch() -> None:
            on = {name: reason for name, reason in self._alarms().on().items() if name not in before}
            if on:
                raise FailedError(f"An alarm has gone off: {_named(on)}")

        return watch

    def _check_canary(self) -> None:
        """Only once all its tasks were ready: before, one that starts may look as one that fails."""
        unfit = self.traffic.unfit(self.target.canary_group)
        if unfit:
            raise FailedError(f"{unfit} tasks of the canary are no longer ready")

    def _try(self, name: str, step: Callable[[], None]) -> str | None:
        try:
            step()
        except Exception as exc:  # noqa: BLE001 - told; the steps that follow must be tried as well
            return f"{name}: {exc}"
        return None


def _share(weight: int, tasks: int) -> int:
    """As many tasks as the canary's share of the requests needs."""
    return max(1, math.ceil(tasks * weight / WHOLE))


def _named(on: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({reason})" for name, reason in on.items())


def _putting_back(services: Services, name: str, task_definition: str) -> Callable[[], None]:
    return lambda: services.update(name, task_definition=task_definition)


def _deregistering(clients: Clients, arn: str) -> Callable[[], None]:
    return lambda: deregister(clients, arn)
