"""Every metric of the service, in one place: what `/metrics`, CloudWatch and both dashboards show.

The values of labels are bounded. Those of `values` are all there are; of a label without them, settings and
code say what there is (models, routes, kinds of job), and `observability.metrics` counts what is too much as
"other". No label names a tenant, a user, a document or a run.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Unit(StrEnum):
    """Named as CloudWatch names them."""

    SECONDS = "Seconds"
    MILLISECONDS = "Milliseconds"
    COUNT = "Count"
    NONE = "None"


class Panel(StrEnum):
    """The rows of the dashboards."""

    REQUESTS = "Requests"
    ANSWERS = "Answers"
    RETRIEVAL = "Retrieval"
    MODELS = "Models and cost"
    INGESTION = "Ingestion and jobs"
    QUALITY = "Quality"
    PROCESS = "Process and database"


@dataclass(frozen=True, slots=True)
class Label:
    """A dimension of a metric.

    Attributes:
        values: All that it can have; empty where settings and code say.
    """

    name: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric.

    Attributes:
        name: In Prometheus' form, without the prefix `groundwork_`; counters end in `_total`.
        help: What it tells, in a sentence.
        panel: Where dashboards show it.
        buckets: Upper bounds of a histogram's.
    """

    name: str
    kind: Kind
    unit: Unit
    panel: Panel
    help: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def full_name(self) -> str:
        return f"groundwork_{self.name}"

    @property
    def cloudwatch_name(self) -> str:
        """Times are milliseconds there, except a queue's age."""
        name = self.name.removesuffix("_total")
        if not name.endswith("_seconds"):
            return name
        return name.removesuffix("_seconds") + ("_ms" if self.kind is Kind.HISTOGRAM else "_s")

    @property
    def cloudwatch_unit(self) -> Unit:
        return Unit.MILLISECONDS if self.cloudwatch_name.endswith("_ms") else self.unit

    @property
    def cloudwatch_buckets(self) -> tuple[float, ...]:
        """The bounds in CloudWatch's unit."""
        scale = 1000 if self.cloudwatch_unit is Unit.MILLISECONDS else 1
        return tuple(bound * scale for bound in self.buckets)

    @property
    def is_share(self) -> bool:
        """Whether its values are 0 or 1, so that their mean says most."""
        return self.buckets == (0.0, 1.0)

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)


# From a cache hit to an answer that is about to be cut off.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
JOB_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
COSINES = (0.0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9, 1.0)

MODEL = Label("model")
OPERATION = Label("operation", ("chat", "embed", "rerank", "guardrail"))
STAGES = ("retrieve", "embed", "search", "rerank", "assemble", "generate", "verify", "abstain", "curated")

REQUEST_DURATION = Metric(
    "request_duration_seconds",
    Kind.HISTOGRAM,
    Unit.SECONDS,
    Panel.REQUESTS,
    "Time of HTTP requests, to the last byte.",
    (
        Label("method", ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")),
        Label("route"),
        Label("status", ("1xx", "2xx", "3xx", "4xx", "5xx")),
    ),
    SECONDS,
)
REQUEST_ERRORS = Metric(
    "request_errors_total",
    Kind.COUNTER,
    Unit.COUNT,
    Panel.REQUESTS,
    "HTTP requests that failed on our side.",
)
STAGE_DURATION = Metric(
    "stage_duration_seconds",
    Kind.HISTOGRAM,
    Unit.SECONDS,
    Panel.ANSWERS,
    "Time of each stage of answers and searches.",
    (Label("stage", STAGES),),
    SECONDS,
)
FIRST_TOKEN = Metric(
    "first_token_seconds",
    Kind.HISTOGRAM,
    Unit.SECONDS,
    Panel.ANSWERS,
    "Time from a question to the first checked sentence of its answer.",
    buckets=SECONDS,
)
ANSWERS = Metric(
    "answers_total",
    Kind.COUNTER,
    Unit.COUNT,
    Panel.ANSWERS,
    "Questions by how they ended.",
    (Label("outcome", ("answered", "abstained", "curated", "failed", "client_closed")),),
)
DEGRADED = Metric(
    "degraded_total",
    Kind.COUNTER,
    Unit.COUNT,
    Panel.ANSWERS,
    "Stages that failed and fell back.",
    (Label("stage", STAGES),),
)
RETRIEVALS = Metric(
    "retrievals_total",
    Kind.COUNTER,
    Unit.COUNT,
    Panel.RETRIEVAL,
    "Retrievals of answers and searches, by whether they found a passage.",
    (Label("result", ("found", "empty")),),
)
RETRIEVAL_SCORE = Metric(
    "retrieval_score",
    Kind.HISTOGRAM,
    Unit.NONE,
    Panel.RETRIEVAL,
    "Cosine similarity of the nearest passage that was found.",
    buckets=COSINES,
)
CACHE_LOOKUPS = Metric(
    "cache_lookups_total",
    Kind.COUNTER,
    Unit.COUNT,
    Panel.RETRIEVAL,
    "Look-ups of what is kept: prompts that a provider caches, curated answers.",
    (Label("cache", ("prompt", "curated")), Label("result", ("hit", "miss"))),
)
MODEL_CALLS = Metric(
    "model_calls_total",
    Kind.COUNTER,
    Unit.COUNT,
    Panel.MODELS,
    "Calls of models that something was used for.",
    (MODEL, OPERATION),
)
MODEL_TOKENS = Metric(
    "model_tokens_total",
    Kind.COUNTER,
    Unit.COUNT,
    Panel.MODELS,
    "Tokens of models, as they are billed.",
    (MODEL, OPERATION, Label("kind", ("input", "output", "cache_read", "cache_write"))),
)
MODEL_COST = Metric(
    "cost_usd_total",
    Kind.COUNTER,
    Unit.NONE,
    Panel.MODELS,
    "US dollars that models cost, by their list prices.",
    (MODEL, OPERATION),
)
MODEL_EVENTS = Metric(
    "model_events_total",
    Kind.COUNTER,
    Unit.COUNT,
    Panel.MODELS,
    "What happened to guarded calls of models.",
    (MODEL, Label("event", ("failure", "retry", "hedge", "shed"))),
)
BREAKER_STATE = Metric(
    "breaker_state",
    Kind.GAUGE,
    Unit.NONE,
    Panel.MODELS,
    "State of a model's circuit breaker: 0 closed, 1 probing, 2 open.",
    (MODEL,),
)
JOBS = Metric(
    "jobs_total",
    Kind.COUNTER,
    Unit.COUNT,
    Panel.INGESTION,
    "Jobs that a worker has ended.",
    (Label("kind"), Label("outcome", ("succeeded", "failed", "retried", "quarantined", "lost", "stopped"))),
)
JOB_DURATION = Metric(
    "job_duration_seconds",
    Kind.HISTOGRAM,
    Unit.SECONDS,
    Panel.INGESTION,
    "Time that a worker spent on a job.",
    (Label("kind"),),
    JOB_SECONDS,
)
INGESTED_CHUNKS = Metric(
    "ingested_chunks_total",
    Kind.COUNTER,
    Unit.COUNT,
    Panel.INGESTION,
    "Chunks that were stored.",
)
QUEUE_JOBS = Metric(
    "queue_jobs",
    Kind.GAUGE,
    Unit.COUNT,
    Panel.INGESTION,
    "Jobs in the queue.",
    (Label("state", ("queued", "running")),),
)
QUEUE_AGE = Metric(
    "queue_age_seconds",
    Kind.GAUGE,
    Unit.SECONDS,
    Panel.INGESTION,
    "How long the oldest job has waited for a worker that could have taken it.",
)
FEEDBACK = Metric(
    "feedback_total",
    Kind.COUNTER,
    Unit.COUNT,
    Panel.QUALITY,
    "Ratings that users gave.",
    (Label("rating", ("up", "down")),),
)
EVALUATION_SCORE = Metric(
    "evaluation_score",
    Kind.GAUGE,
    Unit.NONE,
    Panel.QUALITY,
    "Means of the latest evaluation run that this process has made.",
    (Label("metric"),),
)
EVALUATION_RUNS = Metric(
    "evaluation_runs_total",
    Kind.COUNTER,
    Unit.COUNT,
    Panel.QUALITY,
    "Evaluation runs by the gate's verdict.",
    (Label("verdict"),),
)
LOW_GROUNDEDNESS = Metric(
    "low_groundedness",
    Kind.HISTOGRAM,
    Unit.NONE,
    Panel.QUALITY,
    "Of answers that were scored: 1 for one that its sources rather don't support, else 0.",
    buckets=(0.0, 1.0),
)
POOL_CONNECTIONS = Metric(
    "pool_connections",
    Kind.GAUGE,
    Unit.COUNT,
    Panel.PROCESS,
    "Connections of the database pools.",
    (Label("pool", ("app", "system", "read")), Label("state", ("in_use", "idle", "limit"))),
)
REPLICA_LAG = Metric(
    "replica_lag_seconds",
    Kind.GAUGE,
    Unit.SECONDS,
    Panel.PROCESS,
    "How far the database's read replica was behind when it was last reached.",
)
REPLICA_READS = Metric(
    "replica_reads_total",
    Kind.COUNTER,
    Unit.COUNT,
    Panel.PROCESS,
    "Searches of a service with a read replica, by where they were made.",
    (Label("server", ("replica", "primary")),),
)
SPANS_LOST = Metric(
    "spans_lost_total",
    Kind.COUNTER,
    Unit.COUNT,
    Panel.PROCESS,
    "Spans that were not delivered, because the receiver was down or slow.",
    (Label("exporter", ("otlp", "langsmith")),),
)

METRICS = (
    REQUEST_DURATION, REQUEST_ERRORS, STAGE_DURATION, FIRST_TOKEN, ANSWERS, DEGRADED, RETRIEVALS,
    RETRIEVAL_SCORE, CACHE_LOOKUPS,
    MODEL_CALLS, MODEL_TOKENS, MODEL_COST, MODEL_EVENTS, BREAKER_STATE, JOBS, JOB_DURATION, INGESTED_CHUNKS,
    QUEUE_JOBS, QUEUE_AGE, FEEDBACK, EVALUATION_SCORE, EVALUATION_RUNS, LOW_GROUNDEDNESS, POOL_CONNECTIONS,
    REPLICA_LAG, REPLICA_READS, SPANS_LOST,
)  # fmt: skip
