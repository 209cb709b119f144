"""Every setting, read once. `.env.example` documents each; a test holds the two together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

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

# Whole origins: no path, no pattern, and not `null`, which every sandboxed page is.
_ORIGIN = r"https?://[^\s,/*?#@]+"
ORIGINS = rf"^{_ORIGIN}(,\s*{_ORIGIN})*$"


class Settings(BaseSettings):
    """Plain environment names, also read from a file `.env`; an empty value counts as unset.

    A value may be a reference to a secret (`rag.aws.secrets`); what it stands for is fetched here, at once,
    and `app.secrets.LiveSettings` says what it stands for later.

    Raises:
        ValidationError: A value is not one that its setting can have.
        InvalidInputError: A reference names nothing that can be read, or nothing that its setting can use.
        UnavailableError: AWS can't be reached.
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
    worker_slots: Annotated[int, Field(ge=1, le=64)] = 2
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
    secrets_refresh_s: Annotated[float, Field(ge=1, le=86400)] = 300.0
    db_connections: Annotated[int, Field(ge=1, le=200)] = 10

    chat_model: str = "local:extractive"
    embedding_model: str = "local:all-MiniLM-L6-v2"
    rerank_model: str = "none"
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
    def _follow_references(cls, given: dict[str, Any], validate: ModelWrapValidatorHandler[Self]) -> Self:
        references = {
            name.upper(): text
            for name, value in given.items()
            if name in cls.model_fields and is_reference(text := _text(value).strip())
        }
        read = SecretReader().read(references)
        for error in read.errors.values():
            raise error
        settings = validate(given | {name.lower(): value for name, value in read.values.items()})
        settings._references = references  # noqa: SLF001 - of our own, which can't be given
        settings.database_logins()  # raises if a secret makes no sense
        return settings

    @model_validator(mode="after")
    def _other_origins_need_authentication(self) -> Self:
        if self.cors_origins and self.auth_mode is None:
            raise ValueError("CORS_ORIGINS needs AUTH_MODE: without it, no page of another origin may call")
        return self

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> Self:
        if self.chunk_overlap_tokens * 2 > self.chunk_tokens:
            raise ValueError("CHUNK_OVERLAP_TOKENS must be at most half of CHUNK_TOKENS")
        return self

    @model_validator(mode="after")
    def _authentication_is_complete(self) -> Self:
        if "api_key" in self.auth_modes and self.api_key_pepper is None:
            raise ValueError("AUTH_MODE=api_key needs API_KEY_PEPPER")
        if "oidc" in self.auth_modes and not (
            self.oidc_issuer and (self.oidc_audience or self.oidc_client_ids)
        ):
            raise ValueError("AUTH_MODE=oidc needs OIDC_ISSUER, and OIDC_AUDIENCE or OIDC_CLIENT_IDS")
        return self

    @model_validator(mode="after")
    def _langsmith_has_a_key(self) -> Self:
        if self.langsmith_tracing and self.langsmith_api_key is None:
            raise ValueError("LANGSMITH_TRACING needs LANGSMITH_API_KEY")
        return self

    @model_validator(mode="after")
    def _encryption_has_a_key(self) -> Self:
        if self.field_encryption == "local" and self.field_encryption_key is None:
            raise ValueError("FIELD_ENCRYPTION=local needs FIELD_ENCRYPTION_KEY")
        if self.field_encryption == "kms" and self.field_encryption_kms_key is None:
            raise ValueError("FIELD_ENCRYPTION=kms needs FIELD_ENCRYPTION_KMS_KEY")
        return self

    @model_validator(mode="after")
    def _events_are_of_a_bucket(self) -> Self:
        if self.events_queue_url and not self.documents_bucket:
            raise ValueError("EVENTS_QUEUE_URL needs DOCUMENTS_BUCKET, whose events it brings")
        return self

    @model_validator(mode="after")
    def _feedback_export_has_room(self) -> Self:
        if self.feedback_export_min > self.feedback_export_max:
            raise ValueError("FEEDBACK_EXPORT_MIN must be at most FEEDBACK_EXPORT_MAX")
        return self

    @model_validator(mode="after")
    def _docling_has_an_address(self) -> Self:
        if self.parser == "docling" and self.docling_url is None:
            raise ValueError("PARSER=docling needs DOCLING_URL")
        return self

    def database_logins(self) -> DatabaseLogins | None:
        """The configured database; None stands for the embedded one.

        Raises:
            InvalidInputError: A login is neither a URL nor a secret with one's parts.
        """
        owner = self._url("database_url") or self._url("db_secret") or self._url_of_parts()
        if owner is None:
            return None
        return DatabaseLogins.from_urls(
            owner, app=self._url("app_database_url"), system=self._url("system_database_url")
        )

    def _url(self, name: str) -> str | None:
        url = _text(getattr(self, name))
        if not url or url.startswith(("postgresql://", "postgres://")):
            return url or None
        given = self.model_fields_set
        try:
            return url_of_secret(
                url,
                host=self.db_host,
                port=self.db_port if "db_port" in given else None,
                database=self.db_name if "db_name" in given else None,
            )
        except InvalidInputError as exc:
            reference = self._references.get(name.upper())
            what = f"{name.upper()} ({reference})" if reference else name.upper()
            raise InvalidInputError(f"{what} {exc}") from None

    def _url_of_parts(self) -> str | None:
        if self.db_host is None:
            return None
        return postgres_url(
            host=self.db_host,
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
