"""Evaluation runs and their cases.

On a live table: nothing waits for a lock; both tables are new.

Revision ID: 0009
Revises: 0008
"""

from alembic import op

from db.rls import protect_tenant_table

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

EVALUATION = [
    """
    CREATE TABLE evaluation_results (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        job_id uuid,
        created_by text,
        groups text[] NOT NULL DEFAULT '{}',
        dataset_path text NOT NULL,
        dataset_sha256 text NOT NULL CHECK (dataset_sha256 ~ '^[0-9a-f]{64}$'),
        model_version text NOT NULL,
        num_samples integer CHECK (num_samples > 0),
        seed bigint NOT NULL,
        wanted_metrics text[],
        baseline_run_id uuid,
        run jsonb,
        metrics jsonb NOT NULL DEFAULT '{}',
        num_examples integer NOT NULL DEFAULT 0,
        verdict text CHECK (verdict IN ('pass', 'warn', 'fail', 'inconclusive')),
        details jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz
    )
    """,
    "CREATE INDEX evaluation_results_page ON evaluation_results (tenant_id, created_at DESC, id DESC)",
    """
    CREATE TABLE evaluation_cases (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        run_id uuid NOT NULL REFERENCES evaluation_results ON DELETE CASCADE,
        case_id text NOT NULL,
        result jsonb NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (run_id, case_id)
    )
    """,
]


def upgrade() -> None:
    for statement in EVALUATION:
        op.execute(statement)
    protect_tenant_table("evaluation_results")
    protect_tenant_table("evaluation_cases")


def downgrade() -> None:
    op.execute("DROP TABLE evaluation_cases, evaluation_results")
