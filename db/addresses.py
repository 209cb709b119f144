"""Where the database is, and as whom each of the three roles logs in."""

from dataclasses import dataclass
from urllib.parse import quote, urlencode

APP_ROLE = "groundwork_app"
SYSTEM_ROLE = "groundwork_system"


@dataclass(frozen=True, slots=True)
class Login:
    """One way into the database.

    Attributes:
        url: A libpq URL. It holds a password, so it is left out of the repr.
        role: Role to work as from the connection's start-up packet on; None keeps the login's own.
    """

    url: str
    role: str | None = None

    def __repr__(self) -> str:
        return f"Login(role={self.role!r})"


@dataclass(frozen=True, slots=True)
class DatabaseLogins:
    """`owner` migrates and builds indexes, `app` serves requests, `system` does the work across tenants."""

    owner: Login
    app: Login
    system: Login

    @classmethod
    def from_urls(cls, owner: str, *, app: str | None = None, system: str | None = None) -> "DatabaseLogins":
        """Logins from URLs. Without one of its own, a role is taken on by the owner's login."""
        return cls(
            owner=Login(owner),
            app=Login(app) if app else Login(owner, role=APP_ROLE),
            system=Login(system) if system else Login(owner, role=SYSTEM_ROLE),
        )


def postgres_url(*, host: str, port: int, database: str, user: str, password: str) -> str:
    """A libpq URL of its parts. `host` may be the folder of a Unix socket."""
    credentials = f"{quote(user, safe='')}:{quote(password, safe='')}"
    name = quote(database, safe="")
    if host.startswith("/"):
        return f"postgresql://{credentials}@/{name}?{urlencode({'host': host, 'port': port})}"
    return f"postgresql://{credentials}@{quote(host, safe=':[]')}:{port}/{name}"
