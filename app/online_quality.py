"""What is counted of answers that were looked at behind them."""

from feedback.quality.drift import LOW_GROUNDEDNESS, Monitored
from observability.metrics import Metrics
from observability.registry import LOW_GROUNDEDNESS as METRIC


class QualityRecorder:
    """Is a `QualityListener`.

    Args:
        metrics: Take the scores; alarms are lines of the log.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def scored(self, groundedness: float) -> None:
        self._metrics.observe(METRIC, float(groundedness < LOW_GROUNDEDNESS))

    def alarmed(self, monitored: Monitored) -> None:
        """Its log line says more than a number would."""
