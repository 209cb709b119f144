"""Alembic's environment: runs on the connection that `db.migrate` hands over, or by `DATABASE_URL` alone."""

from alembic import context
from sqlalchemy import Connection


def run(connection: Connection) -> None:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("run migrations with `python -m scripts.migrate`: it takes the lock and makes the roles")
run(connection)
