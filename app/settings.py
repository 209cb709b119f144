"""Every setting, read once. `.env.example` documents each; a test holds the two together."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.setting_problems import RULES, Rule, SettingProblem, raise_for, validated
from db.addresses import DEFAULT_DATABASE, DatabaseLogins, postgres_url, url_of_secret
from rag.aws.secrets import SecretReader, is_reference
from rag.chunking import ChunkStrategy
from rag.errors import InvalidInputError
from rag.privacy import PrivacyMode
from rag.privacy.questions import QuestionMode
from rag.prompts import ANSWER_PROMPT

LONGEST = 36_500  # days
# None is for ever; written as a word, because an empty value stands for the default.
OR_FOREVER = BeforeValidator(lambda value: None if value == "forever" else value)

URL_STARTS = ("postgresql://", "postgres://")
# Whole origins: no path, no pattern, and not `null`, which every sandboxed page is.
_ORIGIN = r"https?://[^\s,/*?#@]+"
ORIGINS = rf"^{_ORIGIN}(,\s*{_ORIGIN})*$"


class Settings(BaseSettings):
    """Plain environment names, also read from a file `.env`; an empty value counts as unset.

    A value may be a reference to a secret (`rag.aws.secrets`); what it stands for is fetched here, at once,
    and `app.secrets.LiveSettings` says what it stands for later.

    Raises:
        SettingsError: With all that is wrong: values that their settings can't have, references that name
            nothing that can be read or used, settings that are missing or don't fit together.
        UnavailableError: Nothing is wrong, but AWS can't be reached.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        str_strip_whitespace=True,
        hide_input_in_errors=True,  # it may be a secret
    )

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    role: Literal["api", "worker", "all"] = "all"
    keep_alive_s: Annotated[int, Field(ge=1, le=3600)] = 130
    shutdown_pause_s: Annotated[float, Field(ge=0, le=300)] = 0.0
    shutdown_grace_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    worker_slots: Annotated[int, Field(ge=1, le=64)] = 3
    job_lease_s: Annotated[float, Field(ge=1, le=3600)] = 60.0
    auth_mode: Annotated[str, Field(pattern=r"^(none|api_key|oidc|api_key,oidc|oidc,api_key)$")] | None = None
    api_key_pepper: Annotated[SecretStr, Field(min_length=32)] | None = None
    oidc_issuer: str | None = None
    oidc_jwks_url: str | None = None
    oidc_audience: str | None = None
    oidc_client_ids: str | None = None
    oidc_groups_claim: str = "groups"
    oidc_tenant_claim: str | None = None
    oidc_role_claim: str | None = None
    oidc_keys_max_age_s: Annotated[float, Field(ge=60, le=86400)] = 3600.0
    rate_limits: Literal["auto", "on", "off"] = "auto"
    cors_origins: Annotated[str, Field(pattern=ORIGINS)] | None = None
    docs: bool | None = None
    hsts_s: Annotated[int, Field(ge=0)] = 0
    request_read_timeout_s: Annotated[float, Field(gt=0)] = 20.0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["auto", "console", "json"] = "auto"
    log_text: bool = False
    access_log_sample: Annotated[float, Field(ge=0, le=1)] = 1.0
    metrics: bool = True
    metrics_emf: bool = False
    metrics_namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/#-]{1,255}$")] = "Groundwork"
    metrics_interval_s: Annotated[float, Field(ge=1, le=3600)] = 30.0
    otel_exporter_otlp_endpoint: Annotated[str, Field(pattern=r"^https?://[^?#\s]+$")] | None = None
    otel_exporter_otlp_headers: SecretStr | None = None
    otel_service_name: str = "groundwork"
    otel_traces_sampler_arg: Annotated[float, Field(ge=0, le=1)] = 0.1
    langsmith_tracing: bool = False
    langsmith_api_key: SecretStr | None = None
    langsmith_endpoint: Annotated[str, Field(pattern=r"^https?://[^?#\s]+$")] = (
        "https://api.smith.langchain.com"
    )
    langsmith_project: str = "groundwork"
    langsmith_tracing_sampling_rate: Annotated[float, Field(ge=0, le=1)] = 1.0
    langsmith_text: bool = False

    data_dir: Path = Path(".data")
    sample_documents: bool = True
    migrate_on_start: bool = True
    database_url: SecretStr | None = None
    app_database_url: SecretStr | None = None
    system_database_url: SecretStr | None = None
    db_host: str | None = None
    db_port: int = 5432
    db_name: str = DEFAULT_DATABASE
    db_user: str = "groundwork"
    db_password: SecretStr | None = None
    db_secret: SecretStr | None = None
    database_read_url: SecretStr | None = None
    db_read_host: str | None = None
    database_read_max_lag_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    secrets_refresh_s: Annotated[float, Field(ge=1, le=86400)] = 300.0
    db_connections: Annotated[int, Field(ge=1, le=200)] = 10

    chat_model: str = "local:extractive"
    embedding_model: str = "local:all-MiniLM-L6-v2"
    rerank_model: str = "none"
    model_registry: str | None = None
    judge_model: str | None = None
    judge_criteria: Path | None = None
    judge_repetitions: Annotated[int, Field(ge=1, le=9)] = 1
    judge_concurrency: Annotated[int, Field(ge=1, le=4)] = 3
    judge_max_cost_usd: Annotated[float, Field(gt=0)] | None = None
    judge_cache: Path | None = None
    answer_prompt: str = ANSWER_PROMPT
    answer_tokens: Annotated[int, Field(ge=1)] = 1024
    prompt_cache: bool = False
    guardrail_id: str | None = None
    guardrail_version: Annotated[str, Field(pattern=r"^([1-9]\d{0,7}|DRAFT)$")] = "DRAFT"
    guardrail_inline: bool = False
    embedding_calls: Annotated[int, Field(ge=1, le=64)] = 8
    model_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    model_connect_timeout_s: Annotated[float, Field(gt=0)] = 3.0
    model_first_token_timeout_s: Annotated[float, Field(gt=0)] = 20.0
    model_idle_timeout_s: Annotated[float, Field(gt=0)] = 15.0
    model_concurrency: Annotated[int, Field(ge=1, le=1000)] = 100
    model_queue: Annotated[int, Field(ge=0, le=10_000)] = 100
    model_queue_wait_s: Annotated[float, Field(gt=0)] = 5.0
    model_hedge_after_s: Annotated[float, Field(gt=0)] | None = None
    breaker_failures: Annotated[int, Field(ge=1, le=100)] = 8
    breaker_probe_s: Annotated[float, Field(gt=0)] = 10.0
    chunk_tokens: Annotated[int, Field(ge=32, le=8192)] = 512
    chunk_overlap_tokens: Annotated[int, Field(ge=0, le=1024)] = 30
    top_k: Annotated[int, Field(ge=1, le=50)] = 8
    context_tokens: Annotated[int, Field(ge=256)] = 4000
    relevance_floor: Annotated[float, Field(ge=-1, le=1)] = 0.15
    suppress: str = ""
    curated_threshold: Annotated[float, Field(ge=0, le=1)] = 0.84
    request_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    experiment_models: str | None = None
    shadow_concurrency: Annotated[int, Field(ge=1, le=64)] = 8
    shadow_queue: Annotated[int, Field(ge=1, le=10_000)] = 100
    online_quality_sample: Annotated[float, Field(ge=0, le=1)] = 0.1
    shadow_timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    chunk_strategy: ChunkStrategy = ChunkStrategy.AUTO
    personal_data: PrivacyMode = PrivacyMode.OFF
    personal_data_detector: Literal["local", "comprehend"] = "local"
    parser: Literal["local", "textract", "docling"] = "local"
    docling_url: Annotated[str, Field(pattern=r"^https?://[^/?#\s]+(/[^?#\s]*)?$")] | None = None
    ocr_languages: Annotated[str, Field(pattern=r"^[a-z]{3}(_[a-z]+)*(\+[a-z]{3}(_[a-z]+)*)*$")] = "eng"
    parse_memory_mb: Annotated[int, Field(ge=256)] = 1024
    parse_timeout_s: Annotated[float, Field(ge=1)] = 180.0
    documents_bucket: str | None = None
    max_s3_object_mb: Annotated[int, Field(ge=1, le=5000)] = 500
    events_queue_url: str | None = None
    artifacts_bucket: str | None = None
    artifacts_kms_key: str | None = None
    max_upload_mb: Annotated[int, Field(ge=1, le=1024)] = 50
    store_text: bool = True
    question_personal_data: QuestionMode = QuestionMode.OFF
    field_encryption: Literal["off", "local", "kms"] = "off"
    field_encryption_key: SecretStr | None = None
    field_encryption_kms_key: str | None = None
    keep_versions: Annotated[int, Field(ge=1)] = 3
    keep_jobs_days: Annotated[int, Field(ge=1)] = 30
    keep_conversations_days: Annotated[Annotated[int, Field(ge=1, le=LONGEST)] | None, OR_FOREVER] = 365
    keep_traces_days: Annotated[Annotated[int, Field(ge=1, le=LONGEST)] | None, OR_FOREVER] = 90
    keep_usage_days: Annotated[Annotated[int, Field(ge=62, le=LONGEST)] | None, OR_FOREVER] = 760
    keep_audit_days: Annotated[Annotated[int, Field(ge=30, le=LONGEST)] | None, OR_FOREVER] = 365
    feedback_export_min: Annotated[int, Field(ge=1, le=10_000)] = 5
    feedback_export_max: Annotated[int, Field(ge=1, le=10_000)] = 50
    feedback_export_days: Annotated[int, Field(ge=1, le=LONGEST)] = 7

    rules: ClassVar[tuple[Rule, ...]] = RULES
    _references: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def auth_modes(self) -> frozenset[str]:
        """How callers say who they are; empty where nobody has to."""
        return frozenset((self.auth_mode or "none").split(",")) - {"none"}

    @property
    def references(self) -> Mapping[str, str]:
        """Names of the settings that were given as references, with these."""
        return self._references

    @model_validator(mode="wrap")
    @classmethod
    def _tell_all_problems(cls, given: dict[str, Any], validate: ModelWrapValidatorHandler[Self]) -> Self:
        references = {
            name.upper(): text
            for name, value in given.items()
            if name in cls.model_fields and is_reference(text := _text(value).strip())
        }
        read = SecretReader().read(references)
        values = {name.lower(): value for name, value in read.values.items()}
        readable = {name: value for name, value in given.items() if name.upper() not in read.errors}
        settings, problems = validated(readable | values, validate)
        settings._references = references  # noqa: SLF001 - of our own, which can't be given
        unknown = {name.lower() for name in (*read.errors, *(problem.setting for problem in problems))}
        for rule in cls.rules:
            if not rule.involved & unknown:
                problems += rule.find(settings)
        raise_for(read.errors, problems)
        return settings

    def database_logins(self) -> DatabaseLogins | None:
        """The configured database; None stands for the embedded one.

        Raises:
            InvalidInputError: A login is neither a URL nor a secret with one's parts.
        """
        owner = self._url("database_url") or self._url("db_secret") or self._url_of_parts()
        if owner is None:
            return None
        return DatabaseLogins.from_urls(
            owner,
            app=self._url("app_database_url"),
            system=self._url("system_database_url"),
            read=self._read_url(),
        )

    def login_problems(self) -> Iterator[SettingProblem]:
        """Of the logins, each by itself."""
        owner = "database_url" if self.database_url else "db_secret"
        for name in (owner, "app_database_url", "system_database_url", "db_read_host"):
            try:
                _ = self._read_url() if name == "db_read_host" else self._url(name)
            except InvalidInputError as exc:
                setting, _, advice = str(exc).partition(" ")
                yield SettingProblem(setting, advice)

    def _read_url(self) -> str | None:
        """The standby's: its own, or that of the app's login at DB_READ_HOST."""
        host = self.db_read_host
        if self.database_read_url:
            return self._url("database_read_url", host=host)
        if host is None:
            return None
        for name in ("app_database_url", "database_url", "db_secret"):
            if url := _text(getattr(self, name)):
                if url.startswith(URL_STARTS):
                    raise InvalidInputError(f"{name.upper()} is a URL: beside it, set DATABASE_READ_URL")
                return self._url(name, host=host)
        return self._url_of_parts(host=host)

    def _url(self, name: str, *, host: str | None = None) -> str | None:
        url = _text(getattr(self, name))
        if not url or url.startswith(URL_STARTS):
            return url or None
        given = self.model_fields_set
        try:
            return url_of_secret(
                url,
                host=host or self.db_host,
                port=self.db_port if "db_port" in given else None,
                database=self.db_name if "db_name" in given else None,
            )
        except InvalidInputError as exc:
            reference = self._references.get(name.upper())
            what = f"{name.upper()} ({reference})" if reference else name.upper()
            raise InvalidInputError(f"{what} {exc}") from None

    def _url_of_parts(self, *, host: str | None = None) -> str | None:
        host = host or self.db_host
        if host is None:
            return None
        return postgres_url(
            host=host,
            port=self.db_port,
            database=self.db_name,
            user=self.db_user,
            password=_text(self.db_password),
        )


def _text(value: object) -> str:
    """A setting's text; empty for what is none."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return value if isinstance(value, str) else ""
