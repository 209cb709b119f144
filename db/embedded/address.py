from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a running server is reached: a Unix socket in a private folder, never TCP."""

    socket_dir: Path
    port: int  # only names the socket file
    admin_user: str
    admin_password: str = field(repr=False)

    def dsn(self, user: str, password: str, database: str, *, scheme: str = "postgresql") -> str:
        """A URL for asyncpg, libpq and (with `scheme="postgresql+asyncpg"`) SQLAlchemy."""
        credentials = f"{quote(user, safe='')}:{quote(password, safe='')}"
        query = urlencode({"host": str(self.socket_dir), "port": self.port})
        return f"{scheme}://{credentials}@/{quote(database, safe='')}?{query}"

    def admin_dsn(self, database: str = "postgres", *, scheme: str = "postgresql") -> str:
        """The same for the superuser."""
        return self.dsn(self.admin_user, self.admin_password, database, scheme=scheme)
