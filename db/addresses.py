"""Where the database is, and as whom each of the three roles logs in."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from pydantic import BaseModel, SecretStr, ValidationError

from rag.errors import InvalidInputError

APP_ROLE = "groundwork_app"
SYSTEM_ROLE = "groundwork_system"
DEFAULT_DATABASE = "groundwork"


@dataclass(frozen=True, slots=True)
class Renewal:
    """Follows a URL whose password, user or host changes while we run.

    Attributes:
        newest_url: What it is as far as is known.
        renew: Finds out anew, because it was refused; without success when there is nothing new.
    """

    newest_url: Callable[[], str]
    renew: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Login:
    """One way into the database.

    Attributes:
        url: A libpq URL. It holds a password, so it is left out of the repr.
        role: Role to work as from the connection's start-up packet on; None keeps the login's own.
        renewal: Of a URL that may change; `url` is then what it was at the start.
    """

    url: str
    role: str | None = None
    renewal: Renewal | None = None

    @property
    def newest_url(self) -> str:
        return self.renewal.newest_url() if self.renewal else self.url

    def __repr__(self) -> str:
        return f"Login(role={self.role!r})"


@dataclass(frozen=True, slots=True)
class DatabaseLogins:
    """`owner` migrates and builds indexes, `app` serves requests, `system` does the work across tenants.

    `read` does what `app` does at a standby; None where there is none.
    """

    owner: Login
    app: Login
    system: Login
    read: Login | None = None

    @classmethod
    def from_urls(
        cls, owner: str, *, app: str | None = None, system: str | None = None, read: str | None = None
    ) -> "DatabaseLogins":
        """Logins from URLs. Without one of its own, a role is taken on by the owner's login.

        Whoever logs in to a standby takes on the role `app`: a superuser would see every tenant's rows.
        """
        return cls(
            owner=Login(owner),
            app=Login(app) if app else Login(owner, role=APP_ROLE),
            system=Login(system) if system else Login(owner, role=SYSTEM_ROLE),
            read=Login(read, role=APP_ROLE) if read else None,
        )


def postgres_url(*, host: str, port: int, database: str, user: str, password: str) -> str:
    """A libpq URL of its parts. `host` may be the folder of a Unix socket."""
    credentials = f"{quote(user, safe='')}:{quote(password, safe='')}"
    name = quote(database, safe="")
    if host.startswith("/"):
        return f"postgresql://{credentials}@/{name}?{urlencode({'host': host, 'port': port})}"
    return f"postgresql://{credentials}@{quote(host, safe=':[]')}:{port}/{name}"


class _LoginSecret(BaseModel):
    """What RDS and Secrets Manager keep; a password that RDS manages comes without the lower three."""

    username: str
    password: SecretStr
    host: str | None = None
    port: int = 5432
    dbname: str | None = None


def url_of_secret(secret: str, *, host: str | None, port: int | None, database: str | None) -> str:
    """A URL of the JSON object in which RDS and Secrets Manager keep a login.

    What is given wins over the secret's own `host`, `port` and `dbname`.

    Raises:
        InvalidInputError: It is no such object, or there is no host; the message doesn't quote it.
    """
    try:
        kept = _LoginSecret.model_validate_json(secret)
    except ValidationError:
        # The cause stays out of the traceback: it quotes the secret.
        raise InvalidInputError(
            "is neither a postgresql:// URL nor a JSON object with username and password"
        ) from None
    host = host or kept.host
    if host is None:
        raise InvalidInputError("names no host, and DB_HOST is not set")
    return postgres_url(
        host=host,
        port=port or kept.port,
        database=database or kept.dbname or DEFAULT_DATABASE,
        user=kept.username,
        password=kept.password.get_secret_value(),
    )
