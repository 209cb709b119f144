"""Experiments of tenants: their variants, who was exposed to which, and what shadow candidates answered.

On a live table: nothing waits for a lock; all tables are new.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

from db.rls import protect_tenant_table, system_may

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

EXPERIMENTS = [
    """
    CREATE TABLE experiments (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        key text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('split', 'shadow')),
        state text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'running', 'stopped')),
        traffic_share double precision NOT NULL CHECK (traffic_share BETWEEN 0 AND 1),
        salt text NOT NULL,
        max_error_rate double precision CHECK (max_error_rate BETWEEN 0 AND 1),
        max_latency_ratio double precision CHECK (max_latency_ratio > 0),
        min_samples integer NOT NULL CHECK (min_samples > 0),
        window_s integer NOT NULL CHECK (window_s > 0),
        stopped_reason text,
        shadow_dropped bigint NOT NULL DEFAULT 0,
        created_by text,
        created_at timestamptz NOT NULL DEFAULT now(),
        started_at timestamptz,
        stopped_at timestamptz,
        UNIQUE (tenant_id, key)
    )
    """,
    "CREATE INDEX experiments_page ON experiments (tenant_id, created_at DESC, id DESC)",
    # Two at once would change one answer in two ways; all replicas look here every second.
    "CREATE UNIQUE INDEX experiments_running ON experiments (tenant_id, kind) WHERE state = 'running'",
    """
    CREATE TABLE experiment_variants (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        experiment_id uuid NOT NULL REFERENCES experiments ON DELETE CASCADE,
        ordinal integer NOT NULL,
        name text NOT NULL,
        weight double precision NOT NULL CHECK (weight >= 0),
        settings jsonb NOT NULL,
        PRIMARY KEY (experiment_id, ordinal),
        UNIQUE (experiment_id, name)
    )
    """,
    """
    CREATE TABLE exposures (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        experiment_id uuid NOT NULL REFERENCES experiments ON DELETE CASCADE,
        subject text NOT NULL,
        user_id text,
        variant text NOT NULL,
        exposed_at timestamptz NOT NULL,
        PRIMARY KEY (experiment_id, subject)
    )
    """,
    "CREATE INDEX exposures_age ON exposures (tenant_id, exposed_at)",
    """
    CREATE TABLE shadow_results (
        id uuid PRIMARY KEY,
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        experiment_id uuid NOT NULL REFERENCES experiments ON DELETE CASCADE,
        trace_id uuid NOT NULL REFERENCES traces ON DELETE CASCADE,
        subject text NOT NULL,
        user_id text,
        variant text NOT NULL,
        answer text,
        retrieved jsonb NOT NULL,
        citations jsonb NOT NULL,
        prompt_version text NOT NULL,
        models jsonb NOT NULL,
        usage jsonb NOT NULL,
        timings_ms jsonb NOT NULL,
        degraded text[] NOT NULL,
        abstained boolean NOT NULL,
        error text,
        source_overlap double precision NOT NULL,
        same_answer boolean NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX shadow_results_experiment ON shadow_results (experiment_id, created_at)",
    "CREATE INDEX shadow_results_trace ON shadow_results (trace_id)",
    "CREATE INDEX shadow_results_age ON shadow_results (tenant_id, created_at)",
]
TABLES = ("experiments", "experiment_variants", "exposures", "shadow_results")


def upgrade() -> None:
    for statement in EXPERIMENTS:
        op.execute(statement)
    for table in TABLES:
        protect_tenant_table(table)
    for table in ("experiments", "experiment_variants"):
        system_may("SELECT", on=table)


def downgrade() -> None:
    op.execute(f"DROP TABLE {', '.join(reversed(TABLES))}")
