"""What `/admin/experiments` takes and gives."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.experiments.manage import MOST_VARIANTS, ExperimentChanges, ExperimentResult
from app.experiments.setups import VariantSettings
from app.field_types import IsNumber, Request, Text
from db.repositories.experiments import (
    Experiment,
    ExperimentKind,
    ExperimentState,
    Guard,
    NewExperiment,
    Variant,
)

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Weight = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False), IsNumber]
Share = Annotated[float, Field(ge=0, le=1), IsNumber]


class VariantIn(Request):
    """Its share is `weight` by the sum of all; `settings` are where it differs from the service."""

    name: Name
    weight: Weight = 1.0
    settings: VariantSettings = VariantSettings()

    def to_variant(self) -> Variant:
        return Variant(self.name, self.weight, self.settings.stored())


class GuardIn(Request):
    """When it stops by itself: how often a challenger may fail, and how much slower it may be."""

    max_error_rate: Share | None = None
    max_latency_ratio: Annotated[float, Field(gt=0, le=1000), IsNumber] | None = None
    min_samples: Annotated[int, Field(ge=1, le=10_000), IsNumber] = Guard().min_samples
    window_s: Annotated[int, Field(ge=10, le=86_400), IsNumber] = Guard().window_s

    def to_guard(self) -> Guard:
        return Guard(self.max_error_rate, self.max_latency_ratio, self.min_samples, self.window_s)


class NewExperimentRequest(Request):
    """An experiment, which begins as a draft.

    Attributes:
        variants: The first is the control. A shadow experiment has one, its candidate.
        traffic_share: Of the users who take part; of a shadow experiment, of the requests.
        salt: Another one divides the same users anew; made up unless given.
        tenant_id: Only an operator may name another tenant.
    """

    key: Name
    kind: ExperimentKind = ExperimentKind.SPLIT
    variants: Annotated[list[VariantIn], Field(min_length=1, max_length=MOST_VARIANTS)]
    traffic_share: Share = 1.0
    salt: Annotated[Text, Field(min_length=1, max_length=100)] | None = None
    guard: GuardIn = GuardIn()
    tenant_id: UUID | None = None

    def to_new(self) -> NewExperiment:
        return NewExperiment(
            self.key,
            self.kind,
            tuple(variant.to_variant() for variant in self.variants),
            self.traffic_share,
            self.salt or "",
            self.guard.to_guard(),
        )


class ExperimentChangesRequest(Request):
    """What is left out stays. `variants` can change before the start only, `weights` at any time."""

    variants: Annotated[list[VariantIn], Field(min_length=1, max_length=MOST_VARIANTS)] | None = None
    weights: Annotated[dict[Name, Weight], Field(min_length=1, max_length=MOST_VARIANTS)] | None = None
    traffic_share: Share | None = None
    guard: GuardIn | None = None
    state: ExperimentState | None = None

    def to_changes(self) -> ExperimentChanges:
        variants = None if self.variants is None else tuple(v.to_variant() for v in self.variants)
        return ExperimentChanges(
            variants=variants,
            weights=self.weights,
            traffic_share=self.traffic_share,
            guard=self.guard.to_guard() if self.guard else None,
            state=self.state,
        )


class VariantOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    name: str
    weight: float
    settings: dict[str, Any]


class GuardOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    max_error_rate: float | None
    max_latency_ratio: float | None
    min_samples: int
    window_s: int


class ExperimentOut(BaseModel):
    """An experiment. `stopped_reason` says which guard it crossed; it is null where a person stopped it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    tenant_id: UUID
    key: str
    kind: ExperimentKind
    state: ExperimentState
    variants: list[VariantOut]
    traffic_share: float
    salt: str
    guard: GuardOut
    stopped_reason: str | None
    created_by: str | None
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    stopped_at: AwareDatetime | None


class ShadowSummaryOut(BaseModel):
    """A candidate beside the answers that were given.

    Attributes:
        requests: That it was asked; `errors` of them it could not answer.
        dropped: That it was not asked, because too many waited.
        source_overlap: Mean share of passages in both prompts, of those in either.
        same_answers: Share of answers that are the same to the letter.
    """

    model_config = ConfigDict(from_attributes=True)

    requests: int
    errors: int
    dropped: int = 0
    source_overlap: float | None
    same_answers: float | None
    abstained: int
    live_abstained: int
    p95_ms: float | None
    live_p95_ms: float | None


class ExperimentDetail(ExperimentOut):
    """With the users who met each variant, and of a shadow experiment how its candidate does."""

    exposures: dict[str, int]
    shadow: ShadowSummaryOut | None

    @classmethod
    def of(cls, result: ExperimentResult) -> Self:
        experiment = result.experiment
        shown = ExperimentOut.model_validate(experiment).model_dump()
        shadow = None
        if result.shadow is not None:
            shadow = ShadowSummaryOut.model_validate(result.shadow)
            shadow.dropped = experiment.shadow_dropped
        return cls(**shown, exposures=dict(result.exposures), shadow=shadow)


class ExperimentPage(BaseModel):
    experiments: list[ExperimentOut]
    next_cursor: str | None

    @classmethod
    def of(cls, found: list[Experiment], *, next_cursor: str | None) -> Self:
        return cls(experiments=[ExperimentOut.model_validate(e) for e in found], next_cursor=next_cursor)
