"""The settings of a service, of which more is asked: an open one stays on this machine, for example.

Commands read their settings without these rules: in a container, `HOST` is set for them as well.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from app.access.binding import is_loopback
from app.setting_problems import RULES, Rule, SettingProblem, needed, rule
from app.settings import Settings
from rag.encryption.wrapping import parse_keys
from rag.errors import InvalidInputError
from rag.models.local import LOCAL_CHAT, LOCAL_EMBEDDINGS
from rag.models.registry import NO_RERANKER
from rag.prompts import prompt_versions

RERANK_PROVIDERS = ("bedrock", "local")
PROVIDER_AND_MODEL = "provider:model, such as bedrock:<model id>"


@rule("host", "auth_mode")
def _binding(settings: Settings) -> Iterator[SettingProblem]:
    if settings.auth_mode is None and not is_loopback(settings.host):
        yield SettingProblem(
            "AUTH_MODE",
            f"is not set, and HOST={settings.host} would serve everyone who can reach this machine, without "
            "authentication: set AUTH_MODE=none if that is what you want, or leave HOST at 127.0.0.1",
        )


@rule("chat_model", "embedding_model", "rerank_model")
def _models(settings: Settings) -> Iterator[SettingProblem]:
    chain = [name for name in map(str.strip, settings.chat_model.split(",")) if name]
    if not chain:
        yield SettingProblem("CHAT_MODEL", f"must name a model: {LOCAL_CHAT} or {PROVIDER_AND_MODEL}")
    for setting, name, known in (
        *(("CHAT_MODEL", name, LOCAL_CHAT) for name in chain),
        ("EMBEDDING_MODEL", settings.embedding_model, LOCAL_EMBEDDINGS),
    ):
        provider, _, model = name.partition(":")
        if name != known and (provider == "local" or not provider or not model):
            yield SettingProblem(setting, f"names {name!r}, which must be {known} or {PROVIDER_AND_MODEL}")
    provider, _, model = settings.rerank_model.partition(":")
    if settings.rerank_model != NO_RERANKER and (provider not in RERANK_PROVIDERS or not model):
        known = f"{NO_RERANKER}, bedrock:<model id or ARN> or local:<name>@<version>"
        yield SettingProblem("RERANK_MODEL", f"must be {known}")


@rule("answer_prompt")
def _prompt(settings: Settings) -> Iterator[SettingProblem]:
    if settings.answer_prompt not in (known := prompt_versions()):
        yield SettingProblem("ANSWER_PROMPT", f"must be one of {', '.join(known)}")


@rule("field_encryption", "field_encryption_key")
def _key(settings: Settings) -> Iterator[SettingProblem]:
    if settings.field_encryption == "local" and settings.field_encryption_key:
        try:
            parse_keys(settings.field_encryption_key.get_secret_value())
        except InvalidInputError as exc:
            yield SettingProblem("FIELD_ENCRYPTION_KEY", str(exc).removeprefix("FIELD_ENCRYPTION_KEY "))


@rule("chat_model", "embedding_model", "rerank_model", "documents_bucket", "artifacts_bucket", "guardrail_id")
def _region(settings: Settings) -> Iterator[SettingProblem]:
    using = [name for name in _region.involved if _is_of_aws(name, getattr(settings, name))]
    if using and not _has_region():
        yield needed("AWS_REGION", ", ".join(sorted(using)).upper(), "a region such as eu-central-1")


def _is_of_aws(name: str, value: str | None) -> bool:
    return bool(value) and (not name.endswith("_model") or "bedrock:" in str(value))


def _has_region() -> bool:
    """Whether the AWS SDK will find one, as far as can be told without loading it."""
    named = any(os.environ.get(name) for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"))
    return named or Path(os.environ.get("AWS_CONFIG_FILE", "~/.aws/config")).expanduser().is_file()


class ServiceSettings(Settings):
    """The settings of a process that serves requests or works off the queue."""

    rules: ClassVar[tuple[Rule, ...]] = (*RULES, _binding, _models, _prompt, _key, _region)
