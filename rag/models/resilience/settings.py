from dataclasses import dataclass

from rag.models.resilience.breaker import BreakerState


@dataclass(frozen=True, slots=True)
class Resilience:
    """How a model is called; times in seconds.

    Attributes:
        attempts: Of one call, the first included.
        backoff_base_s: The longest first pause before another attempt; doubles with each.
        backoff_cap_s: The longest pause.
        connect_timeout_s: For the client behind the model, which whoever makes it must give it.
        attempt_timeout_s: For a whole answer that isn't streamed.
        first_token_timeout_s: Of a stream, until its first text.
        idle_timeout_s: Of a stream, between two pieces after that.
        breaker_failures: In a row, after which the model is left alone.
        probe_interval_s: For so long.
        limit: Calls at a time.
        queue: Calls that may wait for one of these to end.
        queue_wait_s: So long.
        hedge_after_s: When a second attempt starts beside one that is still silent; None for never.
    """

    attempts: int = 3
    backoff_base_s: float = 0.2
    backoff_cap_s: float = 5.0
    connect_timeout_s: float = 3.0
    attempt_timeout_s: float = 60.0
    first_token_timeout_s: float = 20.0
    idle_timeout_s: float = 15.0
    breaker_failures: int = 5
    probe_interval_s: float = 10.0
    limit: int = 16
    queue: int = 64
    queue_wait_s: float = 5.0
    hedge_after_s: float | None = None


@dataclass(slots=True)
class CallStats:
    """Counts since the start, and the breaker's state now.

    Attributes:
        calls: Asked for.
        attempts: Sent to the model.
        retries: Attempts after one that failed.
        hedges: Attempts beside one that was slow.
        failures: Calls that were sent and brought an error.
        sheds: Calls that were turned away unsent.
        breaker: Its state.
    """

    calls: int = 0
    attempts: int = 0
    retries: int = 0
    hedges: int = 0
    failures: int = 0
    sheds: int = 0
    breaker: BreakerState = BreakerState.CLOSED
