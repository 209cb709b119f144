"""What models were used for each tenant, and what it cost: a ledger that is only ever added to.

On a live table: nothing is changed, only new ones are made.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

from db.rls import protect_tenant_table

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# No foreign keys to traces and jobs: an entry outlives them.
USAGE_LEDGER = """
CREATE TABLE usage_ledger (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    day date NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')::date,
    at timestamptz NOT NULL DEFAULT now(),
    request_id text,
    trace_id uuid,
    job_id uuid,
    subject text,
    kind text NOT NULL,
    model text NOT NULL,
    operation text NOT NULL,
    calls bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cache_read_tokens bigint NOT NULL,
    cache_write_tokens bigint NOT NULL,
    cache_write_1h_tokens bigint NOT NULL,
    units bigint NOT NULL,
    cost_usd numeric,
    unpriced_calls bigint NOT NULL
)
"""
# What a month's entries add up to, kept with each entry, so that a quota is looked up in a few rows: the
# shards, of which each entry takes one by chance. Of one row, only one request at a time could end (measured:
# 800 a second, and a slow disk divides that). Room on the page lets a changed sum stay on it.
USAGE_SUMS = """
CREATE TABLE usage_sums (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    month date NOT NULL,
    shard smallint NOT NULL,
    tokens bigint NOT NULL,
    cost_usd numeric NOT NULL,
    day date NOT NULL,
    day_tokens bigint NOT NULL,
    day_cost_usd numeric NOT NULL,
    PRIMARY KEY (tenant_id, month, shard)
) WITH (fillfactor = 50)
"""


def upgrade() -> None:
    op.execute(USAGE_LEDGER)
    op.execute("CREATE INDEX usage_ledger_day ON usage_ledger (tenant_id, day)")
    op.execute("CREATE INDEX usage_ledger_subject ON usage_ledger (tenant_id, subject)")
    op.execute(USAGE_SUMS)
    for table in ("usage_ledger", "usage_sums"):
        protect_tenant_table(table)
    op.execute("REVOKE UPDATE, DELETE ON usage_ledger FROM groundwork_app")
    op.execute("REVOKE DELETE ON usage_sums FROM groundwork_app")


def downgrade() -> None:
    op.execute("DROP TABLE usage_sums")
    op.execute("DROP TABLE usage_ledger")
