"""Settings that are missing, impossible or don't fit together: all of them are told at once.

Each rule looks at a few settings. It is left out when one of these can't be read at all, which is told then.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ModelWrapValidatorHandler, ValidationError

from rag.errors import GroundworkError, InvalidInputError, UnavailableError

if TYPE_CHECKING:  # the settings hold the rules
    from app.settings import Settings

T = TypeVar("T")
OF_AN_OWN_DATABASE = (
    *("db_password", "app_database_url", "system_database_url"),
    *("database_read_url", "db_read_host"),
)
# How to write what pydantic would describe by a regular expression or not at all.
NOTATIONS = {
    "auth_mode": "none, api_key, oidc, or api_key,oidc",
    "api_key_pepper": "32 characters or more, such as `openssl rand -hex 32` prints",
    "cors_origins": "whole origins without a path, separated by commas, such as https://app.example.com",
    "metrics_namespace": "up to 255 letters, digits and . _ / # -",
    "otel_exporter_otlp_endpoint": "a URL such as http://127.0.0.1:4318",
    "langsmith_endpoint": "a URL such as https://api.smith.langchain.com",
    "guardrail_version": "a number or DRAFT",
    "docling_url": "a URL such as http://127.0.0.1:5001",
    "ocr_languages": "Tesseract's codes joined by +, such as eng+deu",
}


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """What is wrong with a setting.

    Attributes:
        setting: Its name in the environment.
        advice: The rest of a sentence that begins with the name and says how to mend it. It quotes no value
            that may be secret.
    """

    setting: str
    advice: str

    def __str__(self) -> str:
        return f"{self.setting} {self.advice}"


class SettingsError(InvalidInputError):
    """Settings that nothing can be started with; the message has a line for each problem."""

    def __init__(self, problems: Sequence[SettingProblem]) -> None:
        self.problems = tuple(dict.fromkeys(problems))  # what one secret lacks may concern two logins
        lines = [str(problem) for problem in self.problems]
        super().__init__(lines[0] if len(lines) == 1 else "\n  ".join(["these settings are wrong:", *lines]))


@dataclass(frozen=True, slots=True)
class Rule:
    """How some settings must fit together.

    Attributes:
        involved: Names of all that it looks at.
        find: Gives what doesn't fit.
    """

    involved: frozenset[str]
    find: Callable[["Settings"], Iterator[SettingProblem]]


def rule(*involved: str) -> Callable[[Callable[["Settings"], Iterator[SettingProblem]]], Rule]:
    """Make a rule of a function that looks at settings of these names."""
    return lambda find: Rule(frozenset(involved), find)


def of_field(error: Any) -> SettingProblem:
    """From one of pydantic's `errors()`."""
    name = str(error["loc"][0])
    if notation := NOTATIONS.get(name):
        return SettingProblem(name.upper(), f"must be {notation}")
    said = str(error["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
    return SettingProblem(name.upper(), f"must be {said}" if said != error["msg"] else f"is refused: {said}")


def needed(setting: str, by: str, what: str) -> SettingProblem:
    return SettingProblem(setting, f"is needed by {by}: {what}")


def validated(
    given: dict[str, Any], validate: ModelWrapValidatorHandler[T]
) -> tuple[T, list[SettingProblem]]:
    """The settings, with defaults in place of values that can't be read, and what is wrong with these."""
    try:
        return validate(given), []
    except ValidationError as exc:
        problems = [of_field(error) for error in exc.errors(include_url=False, include_input=False)]
        wrong = {problem.setting.lower() for problem in problems}
        return validate({name: value for name, value in given.items() if name not in wrong}), problems


def raise_for(unread: Mapping[str, GroundworkError], problems: Sequence[SettingProblem]) -> None:
    """Raise what there is to be told. When it is only that AWS can't be reached, a later try may help.

    Args:
        unread: Why settings that refer to secrets have no value, by their names.
        problems: All others.

    Raises:
        SettingsError: There is something.
        UnavailableError: There is nothing but AWS.
    """
    told = [SettingProblem(name, str(error).removeprefix(f"{name} ")) for name, error in unread.items()]
    if told and not problems and all(isinstance(error, UnavailableError) for error in unread.values()):
        raise UnavailableError("\n  ".join(str(problem) for problem in told)) from None
    if told or problems:
        raise SettingsError([*told, *problems]) from None


@rule("auth_mode", "cors_origins")
def _origins(settings: "Settings") -> Iterator[SettingProblem]:
    if settings.cors_origins and settings.auth_mode is None:
        yield needed("AUTH_MODE", "CORS_ORIGINS", "without it, no page of another origin may call")


@rule("chunk_tokens", "chunk_overlap_tokens")
def _overlap(settings: "Settings") -> Iterator[SettingProblem]:
    if settings.chunk_overlap_tokens * 2 > settings.chunk_tokens:
        yield SettingProblem("CHUNK_OVERLAP_TOKENS", "must be at most half of CHUNK_TOKENS")


@rule("auth_mode", "api_key_pepper")
def _api_keys(settings: "Settings") -> Iterator[SettingProblem]:
    if "api_key" in settings.auth_modes and settings.api_key_pepper is None:
        yield needed("API_KEY_PEPPER", "AUTH_MODE=api_key", NOTATIONS["api_key_pepper"])


@rule("auth_mode", "oidc_issuer")
def _issuer(settings: "Settings") -> Iterator[SettingProblem]:
    if "oidc" in settings.auth_modes and not settings.oidc_issuer:
        yield needed("OIDC_ISSUER", "AUTH_MODE=oidc", "the issuer as its tokens name it in `iss`")


@rule("auth_mode", "oidc_audience", "oidc_client_ids")
def _audience(settings: "Settings") -> Iterator[SettingProblem]:
    if "oidc" in settings.auth_modes and not (settings.oidc_audience or settings.oidc_client_ids):
        yield needed(
            "OIDC_AUDIENCE", "AUTH_MODE=oidc", "which tokens are for this service; or OIDC_CLIENT_IDS"
        )


@rule("langsmith_tracing", "langsmith_api_key")
def _langsmith(settings: "Settings") -> Iterator[SettingProblem]:
    if settings.langsmith_tracing and settings.langsmith_api_key is None:
        yield needed("LANGSMITH_API_KEY", "LANGSMITH_TRACING", "a key of the LangSmith workspace")


@rule("metrics", "metrics_emf")
def _metrics(settings: "Settings") -> Iterator[SettingProblem]:
    if settings.metrics_emf and not settings.metrics:
        yield SettingProblem(
            "METRICS_EMF", "writes metrics that METRICS=false keeps none of: unset one of them"
        )


@rule("field_encryption", "field_encryption_key", "field_encryption_kms_key")
def _encryption(settings: "Settings") -> Iterator[SettingProblem]:
    if settings.field_encryption == "local" and settings.field_encryption_key is None:
        printed = "32 bytes in base64, as `scripts/privacy.py new-key` prints them"
        yield needed("FIELD_ENCRYPTION_KEY", "FIELD_ENCRYPTION=local", printed)
    if settings.field_encryption == "kms" and settings.field_encryption_kms_key is None:
        yield needed(
            "FIELD_ENCRYPTION_KMS_KEY", "FIELD_ENCRYPTION=kms", "id, ARN or alias of a symmetric key"
        )


@rule("events_queue_url", "documents_bucket")
def _events(settings: "Settings") -> Iterator[SettingProblem]:
    if settings.events_queue_url and not settings.documents_bucket:
        yield needed("DOCUMENTS_BUCKET", "EVENTS_QUEUE_URL", "the bucket whose events the queue brings")


@rule("artifacts_kms_key", "artifacts_bucket")
def _artifacts(settings: "Settings") -> Iterator[SettingProblem]:
    if settings.artifacts_kms_key and not settings.artifacts_bucket:
        yield needed("ARTIFACTS_BUCKET", "ARTIFACTS_KMS_KEY", "the bucket that the key is for")


@rule("guardrail_inline", "guardrail_id")
def _guardrail(settings: "Settings") -> Iterator[SettingProblem]:
    if settings.guardrail_inline and not settings.guardrail_id:
        yield needed("GUARDRAIL_ID", "GUARDRAIL_INLINE", "the guardrail that models are to apply")


@rule("feedback_export_min", "feedback_export_max")
def _feedback_export(settings: "Settings") -> Iterator[SettingProblem]:
    if settings.feedback_export_min > settings.feedback_export_max:
        yield SettingProblem("FEEDBACK_EXPORT_MIN", "must be at most FEEDBACK_EXPORT_MAX")


@rule("parser", "docling_url")
def _docling(settings: "Settings") -> Iterator[SettingProblem]:
    if settings.parser == "docling" and settings.docling_url is None:
        yield needed("DOCLING_URL", "PARSER=docling", NOTATIONS["docling_url"])


@rule("database_url", "db_host", "db_secret", *OF_AN_OWN_DATABASE)
def _database(settings: "Settings") -> Iterator[SettingProblem]:
    """Of what only a database of one's own can have; the embedded one would be taken in silence."""
    if settings.database_url or settings.db_host or settings.db_secret:
        return
    for name in OF_AN_OWN_DATABASE:
        if getattr(settings, name):
            yield needed(
                "DATABASE_URL", name.upper(), "the database that it logs in to; or DB_HOST, DB_SECRET"
            )


@rule(
    *("database_url", "app_database_url", "system_database_url", "database_read_url"),
    *("db_secret", "db_host", "db_port", "db_name", "db_read_host"),
)
def _logins(settings: "Settings") -> Iterator[SettingProblem]:
    yield from settings.login_problems()


RULES = (
    *(_database, _logins, _api_keys, _issuer, _audience, _origins, _encryption),
    *(_events, _artifacts, _docling, _overlap, _guardrail, _feedback_export, _langsmith, _metrics),
)
