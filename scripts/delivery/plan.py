"""How careful a deployment is."""

from dataclasses import dataclass

from scripts.delivery.errors import RefusedError
from scripts.delivery.traffic import WHOLE

# The shortest alarm that a deployment watches goes off after three bad minutes of five.
WATCH_S = 300.0
POLL_S = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps and times.

    Attributes:
        steps: Percent of the requests that the canary gets, one after the other; the last is 100.
        watch_s: How long alarms are watched after each step.
        poll_s: Between two looks.
        service_s: How long a service may take to come to rest.
        migration_s: How long the migration may take.
        despite_alarms: Deploy though an alarm is on, as a repair must; it is then not watched.
    """

    steps: tuple[int, ...] = (10, 50, WHOLE)
    watch_s: float = WATCH_S
    poll_s: float = POLL_S
    service_s: float = 900.0
    migration_s: float = 1800.0
    despite_alarms: bool = False

    def __post_init__(self) -> None:
        rising = all(lower < higher for lower, higher in zip((0, *self.steps), self.steps, strict=False))
        if not self.steps or not rising or self.steps[-1] != WHOLE:
            raise RefusedError(f"Steps rise from above 0 to 100 percent, not {self.steps}")
