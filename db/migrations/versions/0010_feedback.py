"""One verdict of each user on an answer, with those that it replaced; events; curated answers.

On a live table: `feedback` and `traces` get columns without a default (a moment of an exclusive lock, no
rewrite). Verdicts that a user gave on an answer before the last one move to `feedback_history`, and the
unique index is built, both while `feedback` is locked: about a second for 100,000 rows. The other tables are
new.

Revision ID: 0010
Revises: 0009
"""

from alembic import op

from db.rls import protect_tenant_table

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Verdicts that were replaced. A sealed text stays bound to its place in `feedback`.
HISTORY = [
    "ALTER TABLE feedback ADD COLUMN changed_at timestamptz, ADD COLUMN handled_at timestamptz",
    "ALTER TABLE traces ADD COLUMN curated_id uuid",
    """
    CREATE TABLE feedback_history (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        feedback_id uuid NOT NULL REFERENCES feedback ON DELETE CASCADE,
        rating smallint NOT NULL CHECK (rating IN (-1, 1)),
        labels text[] NOT NULL,
        comment text,
        correction text,
        metadata jsonb NOT NULL,
        given_at timestamptz NOT NULL,
        replaced_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    "CREATE INDEX feedback_history_feedback ON feedback_history (feedback_id, given_at)",
    "CREATE INDEX feedback_history_age ON feedback_history (tenant_id, given_at)",
]
# No text of `feedback` was sealed so far, so each can move to another row.
KEEP_LAST = [
    "ALTER TABLE feedback NO FORCE ROW LEVEL SECURITY",  # the owner has no tenant here
    """
    WITH ranked AS (
        SELECT id, first_value(id) OVER w AS last_id FROM feedback
        WINDOW w AS (PARTITION BY trace_id, subject ORDER BY created_at DESC, id DESC)
    ), kept AS (
        INSERT INTO feedback_history (tenant_id, feedback_id, rating, labels, comment, correction, metadata,
                                      given_at)
        SELECT f.tenant_id, r.last_id, f.rating, f.labels, f.comment, f.correction, f.metadata, f.created_at
        FROM feedback f JOIN ranked r USING (id) WHERE r.last_id <> f.id
    )
    DELETE FROM feedback f USING ranked r WHERE r.id = f.id AND r.last_id <> f.id
    """,
    "CREATE UNIQUE INDEX feedback_verdict ON feedback (trace_id, subject)",
    "DROP INDEX feedback_trace",
    "ALTER TABLE feedback FORCE ROW LEVEL SECURITY",
]
# No foreign key to the document: what was clicked outlives it.
EVENTS = [
    """
    CREATE TABLE events (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        trace_id uuid NOT NULL REFERENCES traces ON DELETE CASCADE,
        event_id text NOT NULL,
        subject text NOT NULL,
        kind text NOT NULL CHECK (kind IN
            ('click', 'cite_click', 'copy', 'add_to_cart', 'purchase', 'reformulate')),
        document_id uuid,
        value double precision,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (trace_id, event_id)
    )
    """,
    "CREATE INDEX events_age ON events (tenant_id, created_at)",
]
CURATED = [
    """
    CREATE TABLE curated_answers (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        question text NOT NULL,
        answer text NOT NULL,
        document_ids uuid[] NOT NULL DEFAULT '{}',
        acl text[] NOT NULL DEFAULT '{}',
        threshold double precision CHECK (threshold BETWEEN 0 AND 1),
        enabled boolean NOT NULL,
        created_by text,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    "CREATE INDEX curated_answers_page ON curated_answers (tenant_id, created_at, id)",
    """
    CREATE TABLE curated_embeddings (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        curated_id uuid NOT NULL REFERENCES curated_answers ON DELETE CASCADE,
        space_id integer NOT NULL REFERENCES embedding_spaces ON DELETE CASCADE,
        embedding halfvec NOT NULL,
        PRIMARY KEY (curated_id, space_id)
    )
    """,
    "CREATE INDEX curated_embeddings_space ON curated_embeddings (tenant_id, space_id)",
]


def upgrade() -> None:
    for statement in HISTORY:
        op.execute(statement)
    for statement in (*KEEP_LAST, *EVENTS, *CURATED):
        op.execute(statement)
    for table in ("feedback_history", "events", "curated_answers", "curated_embeddings"):
        protect_tenant_table(table)


def downgrade() -> None:
    op.execute("DROP TABLE curated_embeddings, curated_answers, events, feedback_history")
    op.execute("CREATE INDEX feedback_trace ON feedback (trace_id)")
    op.execute("DROP INDEX feedback_verdict")
    op.execute("ALTER TABLE feedback DROP COLUMN changed_at, DROP COLUMN handled_at")
    op.execute("ALTER TABLE traces DROP COLUMN curated_id")
