"""One queue and one clock for background work, uploads that outlive the process, vectors found by their text.

On a live table: `jobs` and `source_documents` get columns with constant defaults (a moment of an exclusive
lock, no rewrite). The index on `chunk_embeddings` locks out writers while it is built, about a second for
100,000 vectors. Jobs that an earlier release was running are marked failed: their documents were in memory.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

from db.rls import protect_tenant_table, system_may

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

JOBS = [
    "ALTER TABLE jobs NO FORCE ROW LEVEL SECURITY",  # the owner has no tenant here
    "ALTER TABLE jobs DROP CONSTRAINT jobs_state_check",
    """
    UPDATE jobs SET state = 'failed', finished_at = now(),
        error = 'the service was stopped; send the document again'
    WHERE state = 'running'
    """,
    # `number` is the order of arrival. `fence` counts the times a job was taken: who took it earlier may no
    # longer write. `parent_id` is the job that made this one.
    """
    ALTER TABLE jobs
        ALTER COLUMN source_document_id DROP NOT NULL,
        ALTER COLUMN attempts SET DEFAULT 0,
        DROP COLUMN heartbeat_at,
        ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY,
        ADD COLUMN payload jsonb NOT NULL DEFAULT '{}',
        ADD COLUMN priority smallint NOT NULL DEFAULT 0,
        ADD COLUMN max_attempts smallint NOT NULL DEFAULT 5 CHECK (max_attempts > 0),
        ADD COLUMN run_at timestamptz NOT NULL DEFAULT now(),
        ADD COLUMN lease_until timestamptz,
        ADD COLUMN fence bigint NOT NULL DEFAULT 0,
        ADD COLUMN worker text,
        ADD COLUMN error_code text,
        ADD COLUMN started_at timestamptz,
        ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now(),
        ADD CONSTRAINT jobs_state_check CHECK (
            state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'quarantined')),
        ADD CONSTRAINT jobs_lease_check CHECK ((state = 'running') = (lease_until IS NOT NULL)),
        ALTER COLUMN state SET DEFAULT 'queued'
    """,
    "ALTER TABLE jobs FORCE ROW LEVEL SECURITY",
    "DROP INDEX jobs_tenant",
    "CREATE UNIQUE INDEX jobs_page ON jobs (tenant_id, number)",
    "CREATE INDEX jobs_queue ON jobs (tenant_id, priority DESC, number) WHERE state = 'queued'",
    "CREATE INDEX jobs_leases ON jobs (lease_until) WHERE state = 'running'",
    """
    CREATE INDEX jobs_active ON jobs (tenant_id, source_document_id, number)
    WHERE state IN ('queued', 'running')
    """,
    "CREATE INDEX jobs_finished ON jobs (tenant_id, finished_at) WHERE finished_at IS NOT NULL",
    # What a job works on, in pieces, until it has succeeded. Not compressed: most files are already.
    """
    CREATE TABLE job_files (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
        part integer NOT NULL,
        data bytea STORAGE EXTERNAL NOT NULL,
        PRIMARY KEY (job_id, part)
    )
    """,
    # The answer to a request that is sent again with the same key.
    """
    CREATE TABLE idempotency_keys (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        key text NOT NULL,
        request_sha256 bytea NOT NULL,
        job_ids uuid[] NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, key)
    )
    """,
    """
    CREATE TABLE schedules (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        name text NOT NULL,
        kind text NOT NULL,
        payload jsonb NOT NULL DEFAULT '{}',
        every interval NOT NULL CHECK (every > interval '0'),
        next_run_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, name)
    )
    """,
    "CREATE INDEX schedules_due ON schedules (next_run_at)",
]
SOURCES = [
    # Which bytes were read, and how: the same again is nothing to do. `origin` names the source that a
    # document is kept in step with, `origin_mark` is that source's own sign of a change.
    """
    ALTER TABLE source_documents
        ADD COLUMN reading_sha256 bytea,
        ADD COLUMN origin text,
        ADD COLUMN origin_mark text
    """,
    "CREATE INDEX source_documents_origin ON source_documents (tenant_id, origin) WHERE origin IS NOT NULL",
    # The same text has the same vector: it is looked up before a model is asked.
    "ALTER TABLE chunk_embeddings ADD COLUMN text_sha256 bytea",
    # Of the digest alone, so that no search is tempted to read a tenant's vectors by this index.
    "CREATE INDEX chunk_embeddings_text ON chunk_embeddings (text_sha256)",
]
SPACES = [
    # One space answers at a time; another one is filled beside it, and then takes over.
    "ALTER TABLE embedding_spaces ADD COLUMN active boolean NOT NULL DEFAULT false",
    "CREATE UNIQUE INDEX embedding_spaces_active ON embedding_spaces (active) WHERE active",
    # With several, the service makes its model's the active one when it starts.
    "UPDATE embedding_spaces SET active = true WHERE (SELECT count(*) FROM embedding_spaces) = 1",
]
UNDO = [
    "ALTER TABLE embedding_spaces DROP COLUMN active",
    "DROP INDEX chunk_embeddings_text",
    "ALTER TABLE chunk_embeddings DROP COLUMN text_sha256",
    "DROP INDEX source_documents_origin",
    """
    ALTER TABLE source_documents DROP COLUMN reading_sha256, DROP COLUMN origin, DROP COLUMN origin_mark
    """,
    "DROP TABLE schedules, idempotency_keys, job_files",
    "DROP POLICY system_access ON jobs",
    "REVOKE ALL ON jobs FROM groundwork_system",
    "DROP INDEX jobs_page, jobs_queue, jobs_leases, jobs_active, jobs_finished",
    "ALTER TABLE jobs NO FORCE ROW LEVEL SECURITY",
    "DELETE FROM jobs WHERE source_document_id IS NULL OR state NOT IN ('succeeded', 'failed')",
    """
    ALTER TABLE jobs
        DROP CONSTRAINT jobs_lease_check,
        DROP CONSTRAINT jobs_state_check,
        DROP COLUMN number, DROP COLUMN payload, DROP COLUMN priority, DROP COLUMN max_attempts,
        DROP COLUMN run_at, DROP COLUMN lease_until, DROP COLUMN fence, DROP COLUMN worker,
        DROP COLUMN error_code, DROP COLUMN started_at, DROP COLUMN updated_at,
        ADD COLUMN heartbeat_at timestamptz NOT NULL DEFAULT now(),
        ALTER COLUMN state DROP DEFAULT,
        ALTER COLUMN attempts SET DEFAULT 1,
        ALTER COLUMN source_document_id SET NOT NULL,
        ADD CONSTRAINT jobs_state_check CHECK (state IN ('running', 'succeeded', 'failed'))
    """,
    "ALTER TABLE jobs FORCE ROW LEVEL SECURITY",
    "CREATE INDEX jobs_tenant ON jobs (tenant_id, created_at)",
]


def upgrade() -> None:
    for statement in JOBS + SOURCES + SPACES:
        op.execute(statement)
    for table in ("job_files", "idempotency_keys", "schedules"):
        protect_tenant_table(table)
    system_may("SELECT, INSERT, UPDATE", on="jobs")
    system_may("SELECT, INSERT, UPDATE", on="schedules")


def downgrade() -> None:
    for statement in UNDO:
        op.execute(statement)
