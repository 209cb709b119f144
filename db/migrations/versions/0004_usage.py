"""What models were used for each tenant, and what it cost.

On a live table: nothing is changed, only a new one made.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

from db.rls import protect_tenant_table

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# A day's uses of a model are added up in a few rows, the shards, of which each request takes one by chance:
# of one row, only one request at a time could end (measured: 800 a second, and a slow disk divides that).
# Room on the page lets a changed count stay on it, without touching the index.
USAGE_LEDGER = """
CREATE TABLE usage_ledger (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    day date NOT NULL,
    kind text NOT NULL,
    model text NOT NULL,
    operation text NOT NULL,
    shard smallint NOT NULL,
    calls bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cache_read_tokens bigint NOT NULL,
    cache_write_tokens bigint NOT NULL,
    cache_write_1h_tokens bigint NOT NULL,
    units bigint NOT NULL,
    cost_usd numeric,
    unpriced_calls bigint NOT NULL,
    PRIMARY KEY (tenant_id, day, kind, model, operation, shard)
) WITH (fillfactor = 70)
"""


def upgrade() -> None:
    op.execute(USAGE_LEDGER)
    protect_tenant_table("usage_ledger")


def downgrade() -> None:
    op.execute("DROP TABLE usage_ledger")
