"""All that is wrong with the settings is told at once, in a line each that says how to mend it."""

import json
import sys
from collections.abc import Callable

import pytest

from app.__main__ import main as serve
from app.service_settings import ServiceSettings
from app.setting_problems import NOTATIONS, RULES, SettingsError
from app.settings import Settings
from rag.errors import UnavailableError
from scripts.doctor import main as examine
from scripts.migrate import main as migrate

CANARY = "canary-5f1c"
# A setting for each kind of problem: out of bounds, no number, not one of a few words, not of a pattern, a
# secret that is too short, missing, contradictory, and a database that would be left aside.
WRONG = {
    "OTEL_TRACES_SAMPLER_ARG": "1.5",
    "WORKER_SLOTS": "many",
    "ROLE": "both",
    "CORS_ORIGINS": "*",
    "API_KEY_PEPPER": CANARY,
    "AUTH_MODE": "oidc",
    "CHUNK_TOKENS": "40",
    "EVENTS_QUEUE_URL": "https://sqs.example/1/events",
    "DB_PASSWORD": CANARY,
    "PARSER": "docling",
}
TOLD = {
    *("OTEL_TRACES_SAMPLER_ARG", "WORKER_SLOTS", "ROLE", "CORS_ORIGINS", "API_KEY_PEPPER", "OIDC_ISSUER"),
    *("OIDC_AUDIENCE", "CHUNK_OVERLAP_TOKENS", "DOCUMENTS_BUCKET", "DATABASE_URL", "DOCLING_URL"),
}


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in WRONG.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CHUNK_OVERLAP_TOKENS", "30")
    monkeypatch.setattr(sys, "argv", ["a-command"])


def problems_of(given: dict[str, object], kind: type[Settings] = Settings) -> dict[str, str]:
    try:
        kind(_env_file=None, **given)  # type: ignore[arg-type]
    except SettingsError as exc:
        return {problem.setting: problem.advice for problem in exc.problems}
    return {}


@pytest.mark.usefixtures("wrong")
def test_every_problem_is_told_and_no_secret() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(_env_file=None)
    header, *lines = str(caught.value).splitlines()
    assert header == "these settings are wrong:"
    assert {line.split()[0] for line in lines} == TOLD
    assert len(lines) == len(TOLD)
    assert CANARY not in str(caught.value)
    assert caught.value.__suppress_context__  # a traceback wouldn't quote pydantic's error either


@pytest.mark.usefixtures("wrong")
@pytest.mark.parametrize("main", [serve, migrate, examine], ids=["service", "migrate", "doctor"])
def test_no_process_starts_with_them(main: Callable[[], int], capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 2
    said = "".join(capsys.readouterr())
    assert [name for name in TOLD if name not in said] == []
    assert CANARY not in said
    assert "Traceback" not in said


@pytest.mark.usefixtures("wrong")
def test_the_doctor_tells_them_to_programs_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["doctor", "--json"])
    assert examine() == 2
    findings = json.loads(capsys.readouterr().out)
    assert {finding["check"] for finding in findings} >= {f"setting {name}" for name in TOLD}
    assert {finding["state"] for finding in findings} == {"failed"}


@pytest.mark.parametrize(
    ("given", "setting", "said"),
    [
        ({"auth_mode": "api_key"}, "API_KEY_PEPPER", "is needed by AUTH_MODE=api_key"),
        ({"langsmith_tracing": True}, "LANGSMITH_API_KEY", "is needed by LANGSMITH_TRACING"),
        ({"metrics_emf": True, "metrics": False}, "METRICS_EMF", "METRICS=false"),
        ({"field_encryption": "kms"}, "FIELD_ENCRYPTION_KMS_KEY", "is needed by FIELD_ENCRYPTION=kms"),
        ({"artifacts_kms_key": "alias/a"}, "ARTIFACTS_BUCKET", "is needed by ARTIFACTS_KMS_KEY"),
        ({"guardrail_inline": True}, "GUARDRAIL_ID", "is needed by GUARDRAIL_INLINE"),
        ({"feedback_export_min": 60}, "FEEDBACK_EXPORT_MIN", "must be at most FEEDBACK_EXPORT_MAX"),
        ({"app_database_url": "postgresql://h/d"}, "DATABASE_URL", "is needed by APP_DATABASE_URL"),
        ({"db_read_host": "h"}, "DATABASE_URL", "is needed by DB_READ_HOST"),
        ({"db_host": "h", "db_secret": CANARY}, "DB_SECRET", "is neither a postgresql:// URL nor"),
        ({"port": 70_000}, "PORT", "must be less than or equal to 65535"),
        ({"log_level": "LOUD"}, "LOG_LEVEL", "must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    ],
)
def test_each_contradiction_is_told_by_itself(given: dict[str, object], setting: str, said: str) -> None:
    found = problems_of(given)
    assert list(found) == [setting]
    assert said in found[setting]


@pytest.mark.parametrize(
    ("given", "setting"),
    [
        ({"host": "0.0.0.0"}, "AUTH_MODE"),
        ({"chat_model": "local:extractive,gpt-4o"}, "CHAT_MODEL"),
        ({"chat_model": " , "}, "CHAT_MODEL"),
        ({"embedding_model": "local:bge-m3"}, "EMBEDDING_MODEL"),
        ({"rerank_model": "cohere.rerank-v3-5:0"}, "RERANK_MODEL"),
        ({"answer_prompt": "answer-0"}, "ANSWER_PROMPT"),
        ({"documents_bucket": "b"}, "AWS_REGION"),
        ({"field_encryption": "local", "field_encryption_key": CANARY}, "FIELD_ENCRYPTION_KEY"),
    ],
)
def test_more_is_asked_of_a_service_than_of_a_command(
    given: dict[str, object], setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    assert problems_of(given) == {}
    found = problems_of(given, ServiceSettings)
    assert list(found) == [setting]
    assert CANARY not in found[setting]


def test_a_rule_about_a_value_that_can_not_be_read_is_left_out() -> None:
    assert list(problems_of({"auth_mode": "passwords", "cors_origins": "https://a.example"})) == ["AUTH_MODE"]


def test_a_secret_that_can_not_be_read_hides_no_other_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    given: dict[str, object] = {"database_url": "ssm:/url"}
    with pytest.raises(UnavailableError):
        Settings(_env_file=None, **given)  # type: ignore[arg-type]
    found = problems_of({**given, "top_k": 0, "role": "x"})
    assert set(found) == {"DATABASE_URL", "TOP_K", "ROLE"}


def test_what_is_matched_by_a_pattern_is_described_in_words() -> None:
    patterned = {
        name
        for name, field in Settings.model_fields.items()
        if any(getattr(part, "pattern", None) for part in field.metadata)
        or "pattern=" in str(field.annotation)
    }
    assert "auth_mode" in patterned
    assert patterned <= set(NOTATIONS)


def test_rules_name_settings_that_there_are() -> None:
    for rule in (*RULES, *ServiceSettings.rules):
        assert rule.involved <= set(Settings.model_fields)
