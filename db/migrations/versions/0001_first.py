"""First schema: tenants, documents with their searchable sides, conversations, traces, feedback, jobs.

Runs on an empty database, so no statement waits for a lock. Every table that has a tenant has row-level
security forced; a connection without `app.tenant_id` sees nothing.

Revision ID: 0001
Revises:
"""

from alembic import op

from db.rls import protect_tenant_table, system_may

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = [
    """
    CREATE TABLE tenants (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
        name text NOT NULL,
        plan text NOT NULL DEFAULT 'standard',
        settings jsonb NOT NULL DEFAULT '{}',
        corpus_version bigint NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE embedding_spaces (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        model text NOT NULL,
        dimensions integer NOT NULL CHECK (dimensions BETWEEN 1 AND 4000),
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (model, dimensions)
    )
    """,
    """
    CREATE TABLE source_documents (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        source_document_id text NOT NULL,
        title text NOT NULL,
        uri text,
        mime_type text NOT NULL,
        language text,
        content_sha256 bytea NOT NULL,
        metadata jsonb NOT NULL DEFAULT '{}',
        acl text[] NOT NULL DEFAULT '{}',
        status text NOT NULL DEFAULT 'ready',
        error text,
        current_version integer NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (tenant_id, source_document_id)
    )
    """,
    "CREATE INDEX source_documents_page ON source_documents (tenant_id, created_at, id)",
    """
    CREATE TABLE source_versions (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        source_id uuid NOT NULL REFERENCES source_documents ON DELETE CASCADE,
        version integer NOT NULL,
        content_sha256 bytea NOT NULL,
        byte_size bigint NOT NULL,
        text text NOT NULL,
        chunk_count integer NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (source_id, version)
    )
    """,
    """
    CREATE TABLE documents (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        source_id uuid NOT NULL,
        version integer NOT NULL,
        chunk_index integer NOT NULL,
        text text NOT NULL,
        start_char integer NOT NULL,
        end_char integer NOT NULL,
        page integer,
        heading_path text[] NOT NULL DEFAULT '{}',
        language text,
        metadata jsonb NOT NULL DEFAULT '{}',
        token_count integer NOT NULL,
        UNIQUE (source_id, version, chunk_index),
        FOREIGN KEY (source_id, version) REFERENCES source_versions ON DELETE CASCADE
    )
    """,
    # The searchable sides of a chunk hold current versions only, so that old versions cost a search nothing.
    """
    CREATE TABLE chunk_embeddings (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        chunk_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
        space_id integer NOT NULL REFERENCES embedding_spaces,
        embedding halfvec NOT NULL,
        PRIMARY KEY (chunk_id, space_id)
    )
    """,
    "CREATE INDEX chunk_embeddings_tenant ON chunk_embeddings (tenant_id, space_id)",
    """
    CREATE TABLE chunk_lengths (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        chunk_id uuid PRIMARY KEY REFERENCES documents ON DELETE CASCADE,
        lexeme_count integer NOT NULL
    )
    """,
    "CREATE INDEX chunk_lengths_tenant ON chunk_lengths (tenant_id) INCLUDE (lexeme_count)",
    """
    CREATE TABLE postings (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        lexeme text NOT NULL,
        chunk_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
        term_frequency smallint NOT NULL,
        PRIMARY KEY (tenant_id, lexeme, chunk_id) INCLUDE (term_frequency)
    )
    """,
    "CREATE INDEX postings_chunk ON postings (chunk_id)",
    """
    CREATE TABLE jobs (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        kind text NOT NULL,
        source_document_id text NOT NULL,
        state text NOT NULL CHECK (state IN ('running', 'succeeded', 'failed')),
        progress jsonb NOT NULL DEFAULT '{}',
        result jsonb,
        error text,
        attempts integer NOT NULL DEFAULT 1,
        heartbeat_at timestamptz NOT NULL DEFAULT now(),
        created_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz
    )
    """,
    "CREATE INDEX jobs_tenant ON jobs (tenant_id, created_at)",
    """
    CREATE TABLE conversations (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        subject text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX conversations_tenant ON conversations (tenant_id, subject)",
    """
    CREATE TABLE traces (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        request_id text NOT NULL,
        conversation_id uuid REFERENCES conversations ON DELETE CASCADE,
        subject text NOT NULL,
        user_id text,
        strategy text NOT NULL,
        query text,
        answer text,
        retrieved jsonb NOT NULL DEFAULT '[]',
        citations jsonb NOT NULL DEFAULT '[]',
        prompt_version text NOT NULL,
        corpus_version bigint NOT NULL,
        models jsonb NOT NULL,
        usage jsonb NOT NULL DEFAULT '{}',
        timings_ms jsonb NOT NULL DEFAULT '{}',
        degraded text[] NOT NULL DEFAULT '{}',
        abstained boolean NOT NULL,
        variant text,
        error text,
        metadata jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX traces_request ON traces (tenant_id, request_id, created_at)",
    """
    CREATE TABLE messages (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        conversation_id uuid NOT NULL REFERENCES conversations ON DELETE CASCADE,
        trace_id uuid REFERENCES traces ON DELETE SET NULL,
        role text NOT NULL CHECK (role IN ('user', 'assistant')),
        content text,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    "CREATE INDEX messages_conversation ON messages (conversation_id, created_at)",
    # No foreign key to the chunk or document: a stored answer outlives them, with its quotes blanked.
    """
    CREATE TABLE message_citations (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        message_id uuid NOT NULL REFERENCES messages ON DELETE CASCADE,
        ordinal integer NOT NULL,
        citation_index integer NOT NULL,
        chunk_id uuid NOT NULL,
        document_id uuid NOT NULL,
        statement text,
        quote text,
        start_char integer NOT NULL,
        end_char integer NOT NULL,
        PRIMARY KEY (message_id, ordinal)
    )
    """,
    "CREATE INDEX message_citations_document ON message_citations (tenant_id, document_id)",
    """
    CREATE TABLE feedback (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        trace_id uuid NOT NULL REFERENCES traces ON DELETE CASCADE,
        subject text NOT NULL,
        rating smallint NOT NULL CHECK (rating IN (-1, 1)),
        labels text[] NOT NULL DEFAULT '{}',
        comment text,
        correction text,
        metadata jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX feedback_trace ON feedback (trace_id)",
]

TENANT_TABLES = (
    "source_documents",
    "source_versions",
    "documents",
    "chunk_embeddings",
    "chunk_lengths",
    "postings",
    "jobs",
    "conversations",
    "traces",
    "messages",
    "message_citations",
    "feedback",
)


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    for statement in TABLES:
        op.execute(statement)
    for table in TENANT_TABLES:
        protect_tenant_table(table)
    protect_tenant_table("tenants", tenant_column="id")
    system_may("SELECT, INSERT", on="tenants")
    op.execute("GRANT SELECT ON embedding_spaces TO groundwork_app, groundwork_system")


def downgrade() -> None:
    for table in (*reversed(TENANT_TABLES), "embedding_spaces", "tenants"):
        op.execute(f"DROP TABLE IF EXISTS {table} CASCADE")
