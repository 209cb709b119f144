"""Stops an experiment whose challenger fails more, or is slower, than its guard allows."""

from collections.abc import Mapping

import structlog

from app.access.identity import Identity
from app.audit import Audit
from app.experiments.running import Live, label_of
from db.pool import Connection, Database
from db.repositories import experiments, exposures, shadow_results
from db.repositories.experiments import ExperimentKind, Guard, RunningExperiment
from db.repositories.exposures import Health

log = structlog.get_logger(__name__)

GUARD = "guard"  # the subject that the audit log names


def crossed(guard: Guard, control: Health, challenger: Health) -> str | None:
    """What of the guard the challenger crosses, in words; None while there is nothing, or too little, to say.

    A rate of errors counts only above the control's: when both fail, the variant isn't why.
    """
    if min(control.requests, challenger.requests) < guard.min_samples:
        return None
    rate, usual = (health.errors / health.requests for health in (challenger, control))
    if guard.max_error_rate is not None and rate > guard.max_error_rate and rate > usual:
        return (
            f"{rate:.1%} of {challenger.requests} requests failed (control: {usual:.1%}); "
            f"at most {guard.max_error_rate:.1%} may"
        )
    if guard.max_latency_ratio is None or not control.p95_ms or challenger.p95_ms is None:
        return None
    ratio = challenger.p95_ms / control.p95_ms
    if ratio <= guard.max_latency_ratio:
        return None
    return (
        f"95 % of requests took up to {challenger.p95_ms:.0f} ms (control: {control.p95_ms:.0f} ms), "
        f"{ratio:.2f} times as long; at most {guard.max_latency_ratio:g} times is allowed"
    )


class GuardWatch:
    """Looks after running experiments.

    Args:
        database: Of the traces.
        audit: Takes the entry of a stop.
    """

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    async def check(self, live: Live) -> bool:
        """Stop the experiment if a challenger crosses its guard; whether it was stopped here and now.

        Raises:
            UnavailableError: The database can't be reached.
        """
        experiment = live.experiment
        if experiment.guard.max_error_rate is None and experiment.guard.max_latency_ratio is None:
            return False
        async with self._database.tenant(experiment.tenant_id) as connection:
            if experiment.kind is ExperimentKind.SHADOW:
                control, candidate = await shadow_results.health(connection, experiment)
                challengers = {experiment.variants[0].name: candidate}
            else:
                labels = {
                    variant.name: label_of(experiment.key, variant.name) for variant in experiment.variants
                }
                found = await exposures.health(connection, experiment, list(labels.values()))
                by_name = {name: found.get(label, Health()) for name, label in labels.items()}
                control = by_name.pop(experiment.variants[0].name)
                challengers = by_name
            reason = _first(experiment, control, challengers)
            return reason is not None and await self._stop(connection, experiment, reason)

    async def _stop(self, connection: Connection, experiment: RunningExperiment, reason: str) -> bool:
        if not await experiments.stop(connection, experiment.id, reason):
            return False  # another replica was faster
        await self._audit.record(
            Identity(experiment.tenant_id, subject=GUARD),
            "experiment.stop",
            object_type="experiment",
            object_id=experiment.id,
            connection=connection,
        )
        log.warning("experiment_stopped", experiment=str(experiment.id), reason=reason)
        return True


def _first(experiment: RunningExperiment, control: Health, challengers: Mapping[str, Health]) -> str | None:
    reasons = (
        f"{name}: {reason}"
        for name, health in challengers.items()
        if (reason := crossed(experiment.guard, control, health)) is not None
    )
    return next(reasons, None)
