from dataclasses import dataclass, field
from pathlib import Path

from db.addresses import postgres_url


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a running server is reached: a Unix socket in a private folder, never TCP."""

    socket_dir: Path
    port: int  # only names the socket file
    admin_user: str
    admin_password: str = field(repr=False)

    def dsn(self, user: str, password: str, database: str) -> str:
        """A URL for asyncpg and libpq."""
        return postgres_url(
            host=str(self.socket_dir), port=self.port, database=database, user=user, password=password
        )

    def admin_dsn(self, database: str = "postgres") -> str:
        """The same for the superuser."""
        return self.dsn(self.admin_user, self.admin_password, database)
