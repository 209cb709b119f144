"""The environment of AWS's clients in a test: none of the developer's own, and servers on the loopback."""

from collections.abc import Mapping

import pytest

REGION = "eu-central-1"
_SERVICES_OF_BEDROCK = ("BEDROCK_RUNTIME", "BEDROCK_AGENT_RUNTIME", "BEDROCK", "COMPREHEND")
# What could send a call somewhere else, or under another name.
OF_THE_DEVELOPER = tuple(
    f"AWS_{name}"
    for name in (
        "REGION",
        "DEFAULT_REGION",
        "PROFILE",
        "DEFAULT_PROFILE",
        "ACCESS_KEY_ID",
        "SECRET_ACCESS_KEY",
        "SESSION_TOKEN",
        "BEARER_TOKEN_BEDROCK",
        "IGNORE_CONFIGURED_ENDPOINT_URLS",
        "ENDPOINT_URL",
        "ENDPOINT_URL_S3",
        "ENDPOINT_URL_SQS",
        "ENDPOINT_URL_SECRETS_MANAGER",
        "ENDPOINT_URL_KMS",
        *(f"ENDPOINT_URL_{service}" for service in _SERVICES_OF_BEDROCK),
    )
)
NO_FILES = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}


def credentials(region: str = REGION) -> dict[str, str]:
    return {"AWS_REGION": region, "AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret"}


def bedrock_endpoints(url: str) -> dict[str, str]:
    """The variables that send the calls of Bedrock and Comprehend to `url`."""
    return {f"AWS_ENDPOINT_URL_{service}": url for service in _SERVICES_OF_BEDROCK}


def forget_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """No region, credentials, endpoints or files of the developer's own."""
    for name in OF_THE_DEVELOPER:
        monkeypatch.delenv(name, raising=False)
    _set(monkeypatch, NO_FILES)


def use_aws(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Every client of AWS that is made in this test calls the server at `url`."""
    forget_aws(monkeypatch)
    _set(monkeypatch, credentials() | {"AWS_ENDPOINT_URL": url})


def use_bedrock(monkeypatch: pytest.MonkeyPatch, url: str, *, region: str = REGION) -> None:
    """Clients of Bedrock and Comprehend that are made in this test call the server at `url`."""
    forget_aws(monkeypatch)
    _set(monkeypatch, {**credentials(region), **bedrock_endpoints(url)})


def _set(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
