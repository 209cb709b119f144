"""Where searches log in to a read replica."""

import json

import pytest
from pydantic import SecretStr, ValidationError

from app.settings import Settings
from db.addresses import APP_ROLE, Login
from rag.errors import InvalidInputError

URL = "postgresql://owner:pw@main/groundwork"


def read_login(**fields: object) -> Login | None:
    logins = Settings(_env_file=None, **fields).database_logins()  # type: ignore[arg-type]
    assert logins
    return logins.read


def test_without_one_there_is_none() -> None:
    assert read_login(database_url=URL) is None


def test_a_url_is_taken_as_it_is_in_the_role_of_requests() -> None:
    login = read_login(database_url=URL, database_read_url="postgresql://reader:other@copy/groundwork")
    assert login
    assert (login.url, login.role) == ("postgresql://reader:other@copy/groundwork", APP_ROLE)


def test_a_host_alone_goes_with_the_parts_of_the_database() -> None:
    login = read_login(
        db_host="main", db_port=5433, db_user="u", db_password=SecretStr("p"), db_read_host="copy"
    )
    assert login
    assert login.url == "postgresql://u:p@copy:5433/groundwork"


def test_a_host_alone_goes_with_the_login_of_a_secret_and_first_with_that_of_requests() -> None:
    owner = json.dumps({"username": "owner", "password": "p"})
    served = json.dumps({"username": "served", "password": "q", "host": "main", "dbname": "docs"})
    only_owner = read_login(db_host="main", db_secret=SecretStr(owner), db_read_host="copy")
    assert only_owner
    assert only_owner.url == "postgresql://owner:p@copy:5432/groundwork"
    both = read_login(
        db_host="main", db_secret=SecretStr(owner), app_database_url=SecretStr(served), db_read_host="copy"
    )
    assert both
    assert both.url == "postgresql://served:q@copy:5432/docs"


def test_a_host_beside_a_url_is_refused_since_the_url_has_one_already() -> None:
    with pytest.raises(InvalidInputError, match="DATABASE_URL is a URL: beside it, set DATABASE_READ_URL"):
        read_login(database_url=URL, db_read_host="copy")


@pytest.mark.parametrize("setting", ["database_read_url", "db_read_host"])
def test_the_embedded_database_has_no_replica(setting: str) -> None:
    with pytest.raises((ValidationError, InvalidInputError), match="DATABASE_URL"):
        Settings(_env_file=None, **{setting: "postgresql://x:y@copy/groundwork"})  # type: ignore[arg-type]
