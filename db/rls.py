"""Row-level security, written once: what every tenant table gets, and what `groundwork_system` may do."""

from alembic import op

# Unset or emptied (a transaction-local setting ends as ''), it is NULL: no row matches, so it fails closed.
CURRENT_TENANT = "nullif(current_setting('app.tenant_id', true), '')::uuid"


def protect_tenant_table(table: str, *, tenant_column: str = "tenant_id") -> None:
    """Force row-level security on `table` and let `groundwork_app` work on the current tenant's rows."""
    condition = f"{tenant_column} = {CURRENT_TENANT}"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant_isolation ON {table} USING ({condition}) WITH CHECK ({condition})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO groundwork_app")


def system_may(privileges: str, *, on: str) -> None:
    """Let `groundwork_system` see every tenant's rows of one table, with the privileges named."""
    op.execute(f"CREATE POLICY system_access ON {on} TO groundwork_system USING (true) WITH CHECK (true)")
    op.execute(f"GRANT {privileges} ON {on} TO groundwork_system")
