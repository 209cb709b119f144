"""What it takes to explain one request; and, for each tenant, what its questions usually are like.

On a live table: `traces` gets a column with a constant default (a moment of an exclusive lock, no rewrite);
the other table is new.

Revision ID: 0012
Revises: 0011
"""

from alembic import op

from db.rls import protect_tenant_table

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# `state` holds counts, shares and means, and no text; see feedback/quality.
QUALITY = """
CREATE TABLE quality_monitors (
    tenant_id uuid PRIMARY KEY REFERENCES tenants ON DELETE CASCADE,
    state bytea NOT NULL,
    questions bigint NOT NULL DEFAULT 0,
    scored bigint NOT NULL DEFAULT 0,
    low_groundedness bigint NOT NULL DEFAULT 0,
    alarms bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""


def upgrade() -> None:
    op.execute("ALTER TABLE traces ADD COLUMN diagnostics jsonb NOT NULL DEFAULT '{}'")
    op.execute(QUALITY)
    protect_tenant_table("quality_monitors")


def downgrade() -> None:
    op.execute("DROP TABLE quality_monitors")
    op.execute("ALTER TABLE traces DROP COLUMN diagnostics")
