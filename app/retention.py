"""How long each kind of data is kept, and what is done when that time is over.

Conversations, usage and the audit log are deleted. So is a trace without feedback; one with feedback stays as
long as the feedback does, and loses its text at the same age, as the feedback's comments do. At that age go
events, verdicts that others have replaced, and who met which variant of an experiment.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.settings import LONGEST, Settings
from db.pool import Database
from db.repositories import retention, tenants
from rag.errors import InvalidInputError

BATCH = 1000  # rows that one transaction deletes: what it locks is free again in a moment


class Retention(BaseModel):
    """Days that each kind of data is kept; None is for ever."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    conversations_days: Annotated[int, Field(ge=1, le=LONGEST)] | None = None
    traces_days: Annotated[int, Field(ge=1, le=LONGEST)] | None = None
    usage_days: Annotated[int, Field(ge=62, le=LONGEST)] | None = None
    audit_days: Annotated[int, Field(ge=30, le=LONGEST)] | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            conversations_days=settings.keep_conversations_days,
            traces_days=settings.keep_traces_days,
            usage_days=settings.keep_usage_days,
            audit_days=settings.keep_audit_days,
        )

    def changed_by(self, own: Mapping[str, Any]) -> Self:
        """With what a tenant has of its own in its place; null is for ever there too.

        Raises:
            InvalidInputError: Nobody understands what the tenant has.
        """
        try:
            return type(self).model_validate(self.model_dump() | dict(own))
        except ValidationError as exc:
            first = exc.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise InvalidInputError(f"the retention is wrong: {place}: {first['msg']}") from exc


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done in batches: by which role, to what is older than so many days."""

    name: str
    run: retention.Batch
    days: int | None
    as_system: bool = False


def _steps(kept: Retention) -> list[Step]:
    return [
        Step("conversations_deleted", retention.forget_conversations, kept.conversations_days),
        Step("traces_deleted", retention.forget_traces, kept.traces_days),
        Step("traces_blanked", retention.blank_traces, kept.traces_days),
        Step("feedback_blanked", retention.blank_feedback, kept.traces_days),
        Step("feedback_history_deleted", retention.forget_feedback_history, kept.traces_days),
        Step("events_deleted", retention.forget_events, kept.traces_days),
        Step("exposures_deleted", retention.forget_exposures, kept.traces_days),
        Step("shadow_results_blanked", retention.blank_shadow_results, kept.traces_days),
        Step("usage_deleted", retention.forget_usage, kept.usage_days, as_system=True),
        Step("audit_deleted", retention.forget_audit, kept.audit_days, as_system=True),
    ]


async def forget_what_is_old(database: Database, tenant_id: UUID, default: Retention) -> dict[str, int]:
    """Delete or blank all that the tenant keeps no longer; how many rows of each kind.

    Raises:
        InvalidInputError: The tenant's own retention makes no sense.
        UnavailableError: The database can't be reached.
    """
    async with database.tenant(tenant_id) as connection:
        kept = default.changed_by(await tenants.retention(connection, tenant_id))
    return {
        step.name: await _in_batches(database, tenant_id, step, timedelta(days=step.days))
        for step in _steps(kept)
        if step.days is not None
    }


async def _in_batches(database: Database, tenant_id: UUID, step: Step, age: timedelta) -> int:
    total = 0
    while True:
        async with database.system() if step.as_system else database.tenant(tenant_id) as connection:
            done = await step.run(connection, tenant_id, older_than=age, limit=BATCH)
        total += done
        if done < BATCH:
            return total
