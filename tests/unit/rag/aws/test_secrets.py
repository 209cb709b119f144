import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from rag.aws.clients import aws_client
from rag.aws.secrets import Place, Reference, SecretReader, is_reference, parse_reference
from rag.errors import GroundworkError, InvalidInputError, UnavailableError
from tests.standins.aws import use_aws
from tests.standins.moto import moto_server
from tests.unit.rag.aws.secret_store import SecretStore, secret_store

CANARY = "c4n4ry-p4ssword"
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-a1B2c3"
RDS = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!db-4f1c2a7e-AbCdEf"  # of a managed password
CHINESE = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:db-a1B2c3"
SSM_ARN = "arn:aws:ssm:eu-west-1:123456789012:parameter/prod/db/password"


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def moto(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    use_aws(monkeypatch, moto_url)
    return moto_url


@pytest.fixture
def secrets_manager(moto: str) -> Any:
    return aws_client("secretsmanager", needed_by="a test")


@pytest.fixture
def parameters(moto: str) -> Any:
    return aws_client("ssm", needed_by="a test")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretStore]:
    with secret_store() as opened:
        use_aws(monkeypatch, opened.url)
        yield opened


def read(text: str) -> str:
    found = SecretReader().read({"DB_PASSWORD": text})
    for error in found.errors.values():
        raise error
    return found.values["DB_PASSWORD"]


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        (ARN, Reference(Place("secretsmanager", ARN, "eu-west-1"))),
        (f"{ARN}:password", Reference(Place("secretsmanager", ARN, "eu-west-1"), "password")),
        (f"{ARN}:password::", Reference(Place("secretsmanager", ARN, "eu-west-1"), "password")),
        (f"{ARN}::AWSPREVIOUS:", Reference(Place("secretsmanager", ARN, "eu-west-1", "AWSPREVIOUS"))),
        (f"{ARN}:a b::9d4c", Reference(Place("secretsmanager", ARN, "eu-west-1", None, "9d4c"), "a b")),
        (RDS, Reference(Place("secretsmanager", RDS, "eu-west-1"))),
        (CHINESE, Reference(Place("secretsmanager", CHINESE, "cn-north-1"))),
        ("secretsmanager:prod/db", Reference(Place("secretsmanager", "prod/db"))),
        ("secretsmanager:prod/db#password", Reference(Place("secretsmanager", "prod/db"), "password")),
        (SSM_ARN, Reference(Place("ssm", SSM_ARN, "eu-west-1"))),
        ("ssm:/prod/db/password", Reference(Place("ssm", "/prod/db/password"))),
    ],
)  # fmt: skip
def test_references_are_read_as_ecs_writes_them(text: str, reference: Reference) -> None:
    assert is_reference(text)
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    "text", ["", "password", "postgresql://u:p@h/d", "ssm", "ssm:x", "arn:aws:s3:::bucket"]
)
def test_anything_else_is_itself(text: str) -> None:
    assert not is_reference(text)


@pytest.mark.parametrize(
    "text",
    [
        "secretsmanager:",
        f"secretsmanager:{CANARY}!",
        f"ssm:/{CANARY} x",
        f"arn:aws:ssm:eu-west-1:1:{CANARY}",
        f"{ARN}:a:b:c:{CANARY}",
    ],
)
def test_a_malformed_reference_is_told_by_its_setting_and_not_quoted(text: str) -> None:
    assert is_reference(text)
    with pytest.raises(InvalidInputError, match="DB_PASSWORD looks like") as caught:
        read(text)
    assert CANARY not in str(caught.value)


def test_secrets_are_found_by_name_and_arn_whole_or_by_key(secrets_manager: Any) -> None:
    kept = {"username": "u", "password": CANARY, "port": 5433, "nested": {"a": [1]}}
    arn = secrets_manager.create_secret(Name="app/db", SecretString=json.dumps(kept))["ARN"]
    for name in ("secretsmanager:app/db", arn):
        assert json.loads(read(name)) == kept
    assert read("secretsmanager:app/db#password") == read(f"{arn}:password::") == CANARY
    assert read(f"{arn}:port") == "5433"
    assert read(f"{arn}:nested") == '{"a": [1]}'


def test_stages_and_versions_are_kept_apart(secrets_manager: Any) -> None:
    made = secrets_manager.create_secret(Name="staged", SecretString='{"p": "old"}')
    secrets_manager.put_secret_value(SecretId="staged", SecretString='{"p": "new"}')
    arn = made["ARN"]
    assert (read(f"{arn}:p"), read(f"{arn}:p:AWSPREVIOUS")) == ("new", "old")
    assert read(f"{arn}:p::{made['VersionId']}") == "old"


def test_parameters_are_decrypted(parameters: Any) -> None:
    parameters.put_parameter(Name="/app/key", Value=f"{CANARY}\n", Type="SecureString")
    arn = parameters.get_parameter(Name="/app/key")["Parameter"]["ARN"]
    assert read("ssm:/app/key") == read(arn) == CANARY


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("secretsmanager:nobody", r"DB_PASSWORD \(secretsmanager:nobody\) does not exist in eu-central-1"),
        ("ssm:/nobody", r"DB_PASSWORD \(ssm:/nobody\) does not exist in eu-central-1"),
        (f"{ARN}:password", r"DB_PASSWORD \(arn:aws:.*\) does not exist in eu-west-1"),
        ("secretsmanager:binary", "binary"),
        ("secretsmanager:plain#password", "not a JSON object with that key"),
        ("secretsmanager:list#password", "not a JSON object with that key"),
        ("secretsmanager:object#password", "not a JSON object with that key"),
        ("secretsmanager:deleted", "AWS answers InvalidRequestException"),
    ],
)
def test_what_can_not_be_used_names_setting_and_reference(
    secrets_manager: Any, reference: str, message: str
) -> None:
    for name, value in (("plain", CANARY), ("list", f'["{CANARY}"]'), ("object", f'{{"other": "{CANARY}"}}')):
        _keep(secrets_manager, name, SecretString=value)
    _keep(secrets_manager, "binary", SecretBinary=CANARY.encode())
    _keep(secrets_manager, "deleted", SecretString=CANARY)
    secrets_manager.delete_secret(SecretId="deleted")
    with pytest.raises(InvalidInputError, match=message) as caught:
        read(reference)
    secrets_manager.restore_secret(SecretId="deleted")
    assert CANARY not in _all_said(caught.value)


def _keep(client: Any, name: str, **value: Any) -> None:
    try:
        client.create_secret(Name=name, **value)
    except client.exceptions.ResourceExistsException:
        client.put_secret_value(SecretId=name, **value)


def _all_said(error: BaseException | None) -> str:
    """The error with all that it was raised from, attributes included."""
    said = ""
    while error is not None:
        said += f"{error!r} {vars(error)} "
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return said


@pytest.mark.parametrize(
    ("failure", "error", "message"),
    [
        ((400, "AccessDeniedException"), InvalidInputError, "may not be read .* AccessDeniedException"),
        ((400, "DecryptionFailure"), InvalidInputError, "may not be read .* DecryptionFailure"),
        ((400, "UnrecognizedClientException"), InvalidInputError, "answers UnrecognizedClientException"),
        ((400, "ThrottlingException"), UnavailableError, "too busy"),
        ((500, "InternalServiceError"), UnavailableError, "too busy"),
    ],
)
def test_each_failure_is_told_apart_and_tried_once(
    store: SecretStore, failure: tuple[int, str], error: type[GroundworkError], message: str
) -> None:
    store.failure = failure
    with pytest.raises(error, match=message):
        read("secretsmanager:db")
    assert store.calls == ["db"]


def test_a_secret_is_fetched_once_for_all_its_keys_and_where_it_is(store: SecretStore) -> None:
    store.values = {ARN: '{"username": "u", "password": "p"}', "other": "o"}
    references = {"DB_USER": f"{ARN}:username", "DB_PASSWORD": f"{ARN}:password", "X": "secretsmanager:other"}
    found = SecretReader().read(references)
    assert found.values == {"DB_USER": "u", "DB_PASSWORD": "p", "X": "o"}
    assert (store.calls, store.regions) == ([ARN, "other"], ["eu-west-1", "eu-central-1"])


def test_what_fails_is_tried_once_for_all_its_keys_and_does_not_keep_the_rest_back(
    store: SecretStore,
) -> None:
    store.values = {"other": CANARY}
    found = SecretReader().read(
        {"A": "secretsmanager:none#a", "B": "secretsmanager:none#b", "C": "secretsmanager:other"}
    )
    assert (found.values, list(found.errors)) == ({"C": CANARY}, ["A", "B"])
    assert store.calls == ["none", "other"]
    assert CANARY not in repr(found)


def test_without_a_server_credentials_or_region_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    use_aws(monkeypatch, "http://127.0.0.1:1")
    with pytest.raises(UnavailableError, match=r"DB_PASSWORD \(ssm:/a\).*can't be reached in eu-central-1"):
        read("ssm:/a")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(InvalidInputError, match="no AWS credentials"):
        read("ssm:/a")
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(InvalidInputError, match=r"DB_PASSWORD \(ssm:/a\) needs AWS_REGION"):
        read("ssm:/a")


def test_no_log_tells_a_secret(
    secrets_manager: Any, parameters: Any, caplog: pytest.LogCaptureFixture
) -> None:
    _keep(secrets_manager, "logged", SecretString=CANARY)
    parameters.put_parameter(Name="/logged", Value=CANARY, Type="SecureString", Overwrite=True)
    caplog.clear()
    with (
        caplog.at_level(logging.DEBUG),
        caplog.at_level(logging.DEBUG, logger="botocore"),
        caplog.at_level(logging.DEBUG, logger="urllib3"),
    ):
        assert read("secretsmanager:logged") == read("ssm:/logged") == CANARY
    assert "GetSecretValue" in caplog.text  # what the SDK says at that level is there
    assert CANARY not in caplog.text
