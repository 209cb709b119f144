"""Every setting, read once. `.env.example` documents each; a test holds the two together."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from db.addresses import DatabaseLogins, postgres_url
from rag.chunking import ChunkStrategy
from rag.privacy import PrivacyMode
from rag.prompts import ANSWER_PROMPT


class Settings(BaseSettings):
    """Plain environment names, also read from a file `.env`; an empty value counts as unset."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True, str_strip_whitespace=True
    )

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    role: Literal["api", "worker", "all"] = "all"
    worker_slots: Annotated[int, Field(ge=1, le=64)] = 2
    job_lease_s: Annotated[float, Field(ge=1, le=3600)] = 60.0
    auth_mode: Literal["none"] | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["auto", "console", "json"] = "auto"

    data_dir: Path = Path(".data")
    sample_documents: bool = True
    migrate_on_start: bool = True
    database_url: SecretStr | None = None
    app_database_url: SecretStr | None = None
    system_database_url: SecretStr | None = None
    db_host: str | None = None
    db_port: int = 5432
    db_name: str = "groundwork"
    db_user: str = "groundwork"
    db_password: SecretStr | None = None
    db_connections: Annotated[int, Field(ge=1, le=200)] = 10

    chat_model: str = "local:extractive"
    embedding_model: str = "local:all-MiniLM-L6-v2"
    rerank_model: str = "none"
    answer_prompt: str = ANSWER_PROMPT
    chunk_tokens: Annotated[int, Field(ge=32, le=8192)] = 512
    chunk_overlap_tokens: Annotated[int, Field(ge=0, le=1024)] = 30
    top_k: Annotated[int, Field(ge=1, le=50)] = 8
    context_tokens: Annotated[int, Field(ge=256)] = 4000
    relevance_floor: Annotated[float, Field(ge=-1, le=1)] = 0.15
    request_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    chunk_strategy: ChunkStrategy = ChunkStrategy.AUTO
    personal_data: PrivacyMode = PrivacyMode.OFF
    personal_data_detector: Literal["local", "comprehend"] = "local"
    parse_memory_mb: Annotated[int, Field(ge=256)] = 1024
    parse_timeout_s: Annotated[float, Field(ge=1)] = 180.0
    documents_bucket: str | None = None
    max_upload_mb: Annotated[int, Field(ge=1, le=1024)] = 50
    store_text: bool = True
    keep_versions: Annotated[int, Field(ge=1)] = 3
    keep_jobs_days: Annotated[int, Field(ge=1)] = 30

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> Self:
        if self.chunk_overlap_tokens * 2 > self.chunk_tokens:
            raise ValueError("CHUNK_OVERLAP_TOKENS must be at most half of CHUNK_TOKENS")
        return self

    def database_logins(self) -> DatabaseLogins | None:
        """The configured database; None stands for the embedded one."""
        owner = _secret(self.database_url) or self._url_of_parts()
        if owner is None:
            return None
        return DatabaseLogins.from_urls(
            owner, app=_secret(self.app_database_url), system=_secret(self.system_database_url)
        )

    def _url_of_parts(self) -> str | None:
        if self.db_host is None:
            return None
        return postgres_url(
            host=self.db_host,
            port=self.db_port,
            database=self.db_name,
            user=self.db_user,
            password=_secret(self.db_password) or "",
        )


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value else None
