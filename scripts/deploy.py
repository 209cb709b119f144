"""Deploy: `scripts/deploy.py run --revision COMMIT --archive IMAGE.tar`, for workflows.

DEPLOYMENT says where to (`terraform output -json deployment`), SMOKE_API_KEY is the key of the smoke
questions, SLACK_WEBHOOK_URL a webhook for the notice. `restore` takes the requests from the canary that a
killed deployment has left there; `smoke` only asks.

Exit code 0 if the new version serves, 1 if the old one does, 2 for wrong arguments, 3 if one has to look.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from botocore.exceptions import BotoCoreError, ClientError

from scripts.delivery.clients import Clients
from scripts.delivery.errors import DeliveryError, InterruptedDelivery, RefusedError
from scripts.delivery.image import check_revision, in_registry, push
from scripts.delivery.notice import Notices
from scripts.delivery.plan import POLL_S, WATCH_S, Plan
from scripts.delivery.rollout import Rollout
from scripts.delivery.smoke import QUESTIONS, Smoke, read_questions
from scripts.delivery.target import Target

SERVES, OLD_SERVES, LOOK = 0, 1, 3
SIGNALS = (signal.SIGTERM, signal.SIGINT)
PROBLEMS = (DeliveryError, ClientError, BotoCoreError)


@dataclass(frozen=True, slots=True)
class End:
    """How it ended: the exit code, and what the notice says."""

    code: int
    subject: str
    message: str


def deploy(rollout: Rollout, revision: str, find_image: Callable[[], str]) -> End:
    """Forward, and back if that fails or the process is told to end."""
    begun = False
    _on_signals(_interrupt)
    try:
        image, stable = find_image(), rollout.check()
        begun = True
        rollout.forward(image, stable)
        _on_signals(signal.SIG_IGN)
    except (Exception, InterruptedDelivery) as exc:  # noqa: BLE001 - whatever it was, the old version must serve
        _on_signals(signal.SIG_IGN)  # neither the way back nor the notice is to be interrupted
        if begun:
            return _back(rollout, revision, exc)
        return End(OLD_SERVES, f"{revision[:12]} was not deployed", f"Nothing was changed. {_said(exc)}")
    return End(SERVES, f"{revision[:12]} is deployed", "All requests go to it.")


def _back(rollout: Rollout, revision: str, reason: BaseException) -> End:
    print(f"Going back: {reason}", flush=True)
    problems = rollout.back(hurry=isinstance(reason, InterruptedDelivery))
    if problems:
        left = "\n".join(f"- {problem}" for problem in problems)
        return End(
            LOOK,
            f"{revision[:12]} failed and SOMEBODY HAS TO LOOK",
            f"{_said(reason)}\nNot put back:\n{left}",
        )
    return End(OLD_SERVES, f"{revision[:12]} was rolled back", f"The version before serves. {_said(reason)}")


def _said(reason: BaseException) -> str:
    known = isinstance(reason, (*PROBLEMS, InterruptedDelivery))
    return str(reason) if known else f"{type(reason).__name__}: {reason}"


def _restore(rollout: Rollout) -> End | None:
    """None: there was nothing to do, and so nothing to tell."""
    try:
        made = rollout.restore()
    except PROBLEMS as exc:
        return End(LOOK, "a killed deployment, and SOMEBODY HAS TO LOOK", str(exc))
    if not made:
        return None
    return End(OLD_SERVES, "what a killed deployment left was put back", "; ".join(made))


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    _on_signals(signal.SIG_IGN)  # once is enough: GitHub sends two
    raise InterruptedDelivery(f"The deployment was told to end ({signal.Signals(number).name})")


def _on_signals(handler: Callable[[int, FrameType | None], NoReturn] | signal.Handlers) -> None:
    for each in SIGNALS:
        signal.signal(each, handler)


@contextmanager
def _handlers_as_before() -> Iterator[None]:
    before = {each: signal.getsignal(each) for each in SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Deploy a version, step by step, and go back if it isn't fit."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="deploy")
    run.add_argument("--revision", required=True, help="commit that the image was built from, its tag")
    run.add_argument(
        "--archive",
        type=Path,
        metavar="FILE",
        help="of `docker save`; if there is none, the registry has the image",
    )
    run.add_argument("--steps", default="10,50,100", metavar="PERCENT,...", help="shares of the canary")
    run.add_argument("--watch-s", type=float, default=WATCH_S, help="seconds at each share")
    run.add_argument("--poll-s", type=float, default=POLL_S, help="seconds between two looks")
    run.add_argument(
        "--despite-alarms", action="store_true", help="deploy though an alarm is on (DESPITE_ALARMS=true)"
    )
    commands.add_parser("restore", help="put back what a deployment that was killed has left")
    commands.add_parser("smoke", help="ask the smoke questions")
    return parser.parse_args(given)


def _plan(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Plan:
    if arguments.command != "run":
        return Plan()
    try:
        steps = tuple(int(step) for step in arguments.steps.split(","))
    except ValueError as exc:
        raise RefusedError(f"Steps are whole numbers with commas between, not {arguments.steps!r}") from exc
    return Plan(
        steps=steps,
        watch_s=arguments.watch_s,
        poll_s=arguments.poll_s,
        despite_alarms=arguments.despite_alarms or environment.get("DESPITE_ALARMS") == "true",
    )


def _rollout(plan: Plan, environment: Mapping[str, str]) -> Rollout:
    target = Target.of(environment.get("DEPLOYMENT", ""))
    smoke = Smoke(
        target.url, environment.get("SMOKE_API_KEY", ""), target.canary_key, read_questions(QUESTIONS)
    )
    return Rollout(Clients.of(target.region), target, plan, smoke, lambda what: print(what, flush=True))


def _image(rollout: Rollout, arguments: argparse.Namespace) -> str:
    check_revision(arguments.revision)
    registry = rollout.target.registry
    if arguments.archive and arguments.archive.is_file():
        return push(rollout.clients, registry, arguments.revision, arguments.archive)
    image = in_registry(rollout.clients, registry, arguments.revision)
    if image is None:
        raise RefusedError(f"The registry has no image of {arguments.revision}")
    return image


def _tell(end: End, rollout: Rollout, environment: Mapping[str, str], began: float) -> None:
    notices = Notices(rollout.clients, rollout.target.alarms_topic, environment.get("SLACK_WEBHOOK_URL", ""))
    took = f"After {time.monotonic() - began:.0f} s. {environment.get('RUN_URL', '')}".rstrip()
    print(f"{end.subject}: {end.message}", flush=True)
    for failure in notices.send(f"{rollout.target.cluster}: {end.subject}", f"{end.message}\n{took}"):
        print(f"No notice by {failure}", file=sys.stderr)


def main(given: Sequence[str] | None = None) -> int:
    arguments, environment, began = parse_arguments(given), os.environ, time.monotonic()
    try:
        rollout = _rollout(_plan(arguments, environment), environment)
        if arguments.command != "restore" and not rollout.smoke.key:
            raise RefusedError("SMOKE_API_KEY is not set: smoke questions could not be asked")
        if arguments.command == "smoke":
            rollout.smoke.ask()
            print("All smoke questions were answered as they must be.")
            return SERVES
    except DeliveryError as exc:
        print(exc, file=sys.stderr)
        return OLD_SERVES
    with _handlers_as_before():
        end = _end(rollout, arguments)
        if end is None:
            print("Nothing is left of an earlier deployment.")
            return SERVES
        _tell(end, rollout, environment, began)
    return end.code


def _end(rollout: Rollout, arguments: argparse.Namespace) -> End | None:
    if arguments.command == "restore":
        return _restore(rollout)
    return deploy(rollout, arguments.revision, lambda: _image(rollout, arguments))


if __name__ == "__main__":
    sys.exit(main())
