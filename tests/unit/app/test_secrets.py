import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app import secrets
from app.secrets import LiveSettings, refreshing
from app.settings import Settings
from rag.errors import InvalidInputError, UnavailableError
from tests.standins.aws import use_aws
from tests.unit.rag.aws.secret_store import SecretStore, secret_store

ROOT = Path(__file__).parents[3]
CANARY = "c4n4ry-p4ssword"
LOGIN = {"username": "u", "password": CANARY, "host": "db.example", "port": "5433", "dbname": "d"}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretStore]:
    with secret_store() as opened:
        use_aws(monkeypatch, opened.url)
        yield opened


def settings(**given: object) -> Settings:
    return Settings(_env_file=None, **given)  # type: ignore[arg-type]


def owner_url(found: Settings | LiveSettings) -> str:
    logins = found.database_logins()
    assert logins
    return logins.owner.newest_url


def test_a_reference_gives_way_to_its_value(store: SecretStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.values = {"db": json.dumps(LOGIN), "/bucket": "documents"}
    monkeypatch.setenv("DB_PASSWORD", "secretsmanager:db#password")
    monkeypatch.setenv("DB_PORT", " secretsmanager:db#port ")
    monkeypatch.setenv("DB_HOST", "plain.example")
    found = settings()
    assert owner_url(found) == f"postgresql://groundwork:{CANARY}@plain.example:5433/groundwork"
    assert found.references == {
        "DB_PASSWORD": "secretsmanager:db#password",
        "DB_PORT": "secretsmanager:db#port",
    }
    assert store.calls == ["db"]
    assert CANARY not in f"{found!r} {found} {found.database_logins()!r} {LiveSettings(found).__dict__}"


def test_one_secret_holds_a_whole_login(store: SecretStore) -> None:
    store.values = {"db": json.dumps(LOGIN), "rds": json.dumps({"username": "u", "password": "p/w"})}
    assert owner_url(settings(db_secret="secretsmanager:db")) == f"postgresql://u:{CANARY}@db.example:5433/d"
    assert (
        owner_url(
            settings(db_secret="secretsmanager:rds", db_host="rds.example", db_user="x", db_password="y")
        )
        == "postgresql://u:p%2Fw@rds.example:5432/groundwork"
    )
    proxied = settings(db_secret="secretsmanager:db", db_host="proxy", db_port=1, db_name="n")
    assert owner_url(proxied) == f"postgresql://u:{CANARY}@proxy:1/n"
    logins = settings(
        database_url="postgresql://h/d",
        app_database_url="secretsmanager:db",
        system_database_url="postgres://s",
    ).database_logins()
    assert logins
    assert (logins.owner.url, logins.system.url) == ("postgresql://h/d", "postgres://s")
    assert (logins.app.url, logins.app.role) == (f"postgresql://u:{CANARY}@db.example:5433/d", None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"db_secret": "secretsmanager:db"}, r"DB_SECRET \(secretsmanager:db\) is neither"),
        (
            {"app_database_url": "secretsmanager:db", "db_host": "h"},
            r"APP_DATABASE_URL \(secretsmanager:db\) is",
        ),
        ({"db_secret": "secretsmanager:rds"}, "DB_SECRET .* names no host, and DB_HOST is not set"),
        ({"database_url": f"{CANARY}:x"}, "DATABASE_URL is neither"),
        ({"db_password": "secretsmanager:none"}, r"DB_PASSWORD \(secretsmanager:none\) does not exist"),
    ],
)
def test_what_makes_no_sense_is_refused_without_being_quoted(
    store: SecretStore, given: dict[str, object], message: str
) -> None:
    store.values = {"db": CANARY, "rds": json.dumps({"username": "u", "password": CANARY})}
    with pytest.raises(InvalidInputError, match=message) as caught:
        settings(**given)
    assert CANARY not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__cause__


def test_a_value_that_does_not_fit_its_setting_is_not_quoted(store: SecretStore) -> None:
    store.values = {"port": CANARY}
    with pytest.raises(InvalidInputError, match="DB_PORT") as caught:
        settings(db_port="secretsmanager:port", db_password=CANARY)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("module", ["app", "scripts.migrate"])
def test_a_process_that_can_not_start_tells_no_secret(store: SecretStore, module: str) -> None:
    store.values = {"db": json.dumps({"password": CANARY})}
    environment = {"DB_PASSWORD": "secretsmanager:db#password", "DB_SECRET": "secretsmanager:db"}
    code, said = start(module, store, LOG_LEVEL="DEBUG", **environment)
    assert code == 2
    assert "DB_SECRET (secretsmanager:db) is neither" in said
    assert CANARY not in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_database_that_can_not_be_reached_tells_no_secret(store: SecretStore, unused_tcp_port: int) -> None:
    login = LOGIN | {"host": "127.0.0.1", "port": unused_tcp_port}
    store.values = {"db": json.dumps(login), "url": f"postgresql://u:{CANARY}/w@h/d"}
    for given in ({"DB_SECRET": "secretsmanager:db"}, {"DATABASE_URL": "secretsmanager:url"}):
        code, said = start("app", store, LOG_LEVEL="DEBUG", **given)
        assert code == 3
        assert "cannot connect to the database" in said
        assert CANARY not in said


def start(module: str, store: SecretStore, **environment: str) -> tuple[int, str]:
    given = {"AWS_ENDPOINT_URL": store.url, "AWS_REGION": "eu-central-1", "PORT": "0", **environment}
    given |= {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret"}
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore", "-m", module],
        cwd=ROOT,
        env=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_without_references_nothing_is_paid() -> None:
    program = (
        "import sys; from app.secrets import LiveSettings; from app.settings import Settings;"
        "live = LiveSettings(Settings(_env_file=None, database_url='postgresql://h/d'));"
        "assert live.database_logins().owner.renewal is None;"
        "assert not {'boto3', 'botocore'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)


async def test_a_changed_secret_is_taken_up_at_once_or_in_the_background(store: SecretStore) -> None:
    store.values = {"db": json.dumps(LOGIN), "key": "old"}
    found = settings(db_secret="secretsmanager:db", secrets_refresh_s=1)
    live = LiveSettings(found)
    logins = live.database_logins()
    assert logins
    store.values["db"] = json.dumps(LOGIN | {"username": "u_clone", "password": "new"})
    assert logins.app.newest_url == f"postgresql://u:{CANARY}@db.example:5433/d"
    assert logins.app.renewal
    await logins.app.renewal.renew()
    for login in (logins.owner, logins.app, logins.system):
        assert login.newest_url == "postgresql://u_clone:new@db.example:5433/d"
    store.values["db"] = json.dumps(LOGIN)
    async with refreshing(live):
        await asyncio.sleep(1.5)
        assert "clone" not in logins.owner.newest_url
    calls = len(store.calls)
    await asyncio.sleep(1.2)
    assert len(store.calls) == calls  # it ended with the block


async def test_user_and_password_by_references_of_their_own_change_together(store: SecretStore) -> None:
    store.values = {"db": json.dumps(LOGIN)}
    live = LiveSettings(
        settings(db_host="h", db_user="secretsmanager:db#username", db_password="secretsmanager:db#password")
    )
    store.values = {"db": json.dumps(LOGIN | {"username": "u_clone", "password": "new"})}
    await live.renew()
    assert owner_url(live) == "postgresql://u_clone:new@h:5432/groundwork"


async def test_refused_logins_ask_once_in_a_while(
    store: SecretStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.values = {"db": json.dumps(LOGIN)}
    live = LiveSettings(settings(db_secret="secretsmanager:db"))
    store.calls.clear()
    await asyncio.gather(*(live.renew() for _ in range(50)))
    assert store.calls == ["db"]
    monkeypatch.setattr(secrets, "RENEW_S", 0.0)
    await live.renew()
    assert store.calls == ["db", "db"]


@pytest.mark.parametrize("broken", ["gone", "nonsense"])
async def test_what_can_not_be_fetched_or_used_changes_nothing(store: SecretStore, broken: str) -> None:
    store.values = {"db": json.dumps(LOGIN)}
    live = LiveSettings(settings(db_secret="secretsmanager:db"))
    before = owner_url(live)
    store.values = {} if broken == "gone" else {"db": CANARY}
    with capture_logs() as logs:
        await live.renew()
    assert owner_url(live) == before
    assert "DB_SECRET (secretsmanager:db)" in str(logs)
    assert CANARY not in str(logs)


async def test_a_reference_that_is_gone_does_not_keep_the_others_back(store: SecretStore) -> None:
    store.values = {"bucket": "b", "db": json.dumps(LOGIN)}
    live = LiveSettings(settings(documents_bucket="secretsmanager:bucket", db_secret="secretsmanager:db"))
    store.values = {"db": json.dumps(LOGIN | {"password": "new"})}
    await live.renew()
    assert owner_url(live) == "postgresql://u:new@db.example:5433/d"
    assert live.current.documents_bucket == "b"


def test_a_server_that_is_not_there_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    use_aws(monkeypatch, "http://127.0.0.1:1")
    with pytest.raises(UnavailableError, match=r"DATABASE_URL \(ssm:/url\) can't be read"):
        settings(database_url="ssm:/url")
