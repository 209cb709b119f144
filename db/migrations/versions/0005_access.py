"""Who may do what: API keys, tenants that come and go while the service runs, and who asked for a job.

On a live table: `api_keys` is new. The new column of `jobs` is filled with nothing, which takes a moment's lock
and rewrites no row.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

from db.rls import protect_tenant_table, system_may

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# A rotation replaces the hash and keeps the row, so that what belongs to a key stays its own.
API_KEYS = """
CREATE TABLE api_keys (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('reader', 'contributor', 'analyst', 'admin', 'operator')),
    groups text[] NOT NULL DEFAULT '{}',
    prefix text NOT NULL UNIQUE,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    previous_hash bytea CHECK (length(previous_hash) = 32),
    previous_expires_at timestamptz,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    rotated_at timestamptz,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    CHECK ((previous_hash IS NULL) = (previous_expires_at IS NULL))
)
"""
# With the triggers that keep the lexical index, which need the tenant's own rights, and as one statement: what
# a request of the tenant's still writes comes before it, or is refused.
DELETE_TENANT = """
CREATE FUNCTION delete_tenant(doomed uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM set_config('app.tenant_id', doomed::text, true);
    DELETE FROM tenants WHERE id = doomed;
    RETURN FOUND;
END $$
"""


def upgrade() -> None:
    op.execute(API_KEYS)
    op.execute("CREATE INDEX api_keys_page ON api_keys (tenant_id, created_at, id)")
    protect_tenant_table("api_keys")
    system_may("SELECT, UPDATE (last_used_at)", on="api_keys")
    op.execute(DELETE_TENANT)
    op.execute("REVOKE ALL ON FUNCTION delete_tenant FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION delete_tenant TO groundwork_system")
    op.execute("ALTER TABLE jobs ADD COLUMN subject text")


def downgrade() -> None:
    op.execute("ALTER TABLE jobs DROP COLUMN subject")
    op.execute("DROP FUNCTION delete_tenant")
    op.execute("DROP TABLE api_keys")
