"""Search tables for pruned BM25, filters and access lists that row-level security leaves their indexes.

Operators that are not leakproof (`@@`, `@>`, `&&`, `->>`) cannot use an index under a policy, so all that a
search looks up by is plain columns: lexemes as numbers, attributes as one row for each key, readers as one
row for each group.

On a live table: `documents` gets a number and is rewritten, `chunk_embeddings` is updated in place, both
under an exclusive lock (about a minute for a million chunks). The words, attributes and readers of existing
sources are indexed anew after the migration, one source after the other; until then a search does not find them.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

from db.rls import protect_tenant_table

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER_CHUNKS = [
    "DROP TABLE postings",
    "DROP TABLE chunk_lengths",
    # A small key for the rows that a search touches by the thousand.
    "ALTER TABLE documents ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE documents ADD CONSTRAINT documents_number UNIQUE (number)",
    "ALTER TABLE chunk_embeddings ADD COLUMN chunk_number bigint, ADD COLUMN source_id uuid",
    # The owner is subject to a forced policy too, and has no tenant here; the lock keeps others out.
    "ALTER TABLE chunk_embeddings NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE documents NO FORCE ROW LEVEL SECURITY",
    """
    UPDATE chunk_embeddings e SET chunk_number = d.number, source_id = d.source_id
    FROM documents d WHERE d.id = e.chunk_id
    """,
    "ALTER TABLE documents FORCE ROW LEVEL SECURITY",
    "ALTER TABLE chunk_embeddings FORCE ROW LEVEL SECURITY",
    "ALTER TABLE chunk_embeddings DROP CONSTRAINT chunk_embeddings_pkey",
    "ALTER TABLE chunk_embeddings DROP COLUMN chunk_id",
    """
    ALTER TABLE chunk_embeddings
        ALTER COLUMN chunk_number SET NOT NULL,
        ALTER COLUMN source_id SET NOT NULL,
        ADD PRIMARY KEY (chunk_number, space_id),
        ADD FOREIGN KEY (source_id) REFERENCES source_documents ON DELETE CASCADE
    """,
    "DROP INDEX chunk_embeddings_tenant",
    "CREATE INDEX chunk_embeddings_source ON chunk_embeddings (source_id)",
]

# The cascade comes from the source, not from each chunk: one statement removes all words of a source.
LEXICAL_TABLES = [
    """
    CREATE TABLE lexical_statistics (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        configuration text NOT NULL,
        chunk_count bigint NOT NULL,
        lexeme_total bigint NOT NULL,
        PRIMARY KEY (tenant_id, configuration)
    )
    """,
    # Room on the page lets a changed count stay on it, without touching an index.
    """
    CREATE TABLE lexemes (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        lexeme text COLLATE "C" NOT NULL,
        number integer NOT NULL,
        chunk_count integer NOT NULL,
        PRIMARY KEY (tenant_id, lexeme),
        UNIQUE (tenant_id, number)
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE TABLE chunk_terms (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        chunk_number bigint PRIMARY KEY,
        source_id uuid NOT NULL REFERENCES source_documents ON DELETE CASCADE,
        configuration text NOT NULL,
        length integer NOT NULL,
        lexemes integer[] NOT NULL,
        frequencies smallint[] NOT NULL,
        fingerprint bigint NOT NULL
    )
    """,
    "CREATE INDEX chunk_terms_source ON chunk_terms (source_id, chunk_number) INCLUDE (tenant_id)",
    # Best postings of a word first. No foreign keys: the triggers below keep it in step with chunk_terms.
    """
    CREATE TABLE postings (
        tenant_id uuid NOT NULL,
        lexeme_number integer NOT NULL,
        impact smallint NOT NULL,
        chunk_number bigint NOT NULL,
        PRIMARY KEY (tenant_id, lexeme_number, impact, chunk_number)
    )
    """,
    # Only a vacuumed page is read from the index alone, so a fresh corpus is not left waiting for it.
    "ALTER TABLE postings SET (autovacuum_vacuum_insert_scale_factor = 0.02)",
]

LEXICAL_FUNCTIONS = [
    # One writer of a tenant's words at a time: counts are exact, and two writers cannot deadlock on them.
    """
    CREATE FUNCTION lock_lexical_index(tenant uuid) RETURNS void LANGUAGE sql AS $$
        SELECT pg_advisory_xact_lock(hashtextextended('lexical:' || tenant::text, 0))
    $$
    """,
    # BM25's term part for a corpus of 100 lexemes a chunk, in 1/10,000: it orders postings for pruning, never
    # scores. It depends on nothing that changes, so that a posting can be found again by its key.
    """
    CREATE FUNCTION posting_impact(frequency integer, length integer) RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT (10000 * frequency
            / (frequency + 1.2::float8 * (0.25::float8 + 0.75::float8 * length / 100)))::smallint
    $$
    """,
    """
    CREATE FUNCTION index_chunk_terms() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM lock_lexical_index(tenant_id) FROM (SELECT DISTINCT tenant_id FROM added) t;
        INSERT INTO postings (tenant_id, lexeme_number, impact, chunk_number)
        SELECT a.tenant_id, t.lexeme, posting_impact(t.frequency, a.length), a.chunk_number
        FROM added a CROSS JOIN LATERAL unnest(a.lexemes, a.frequencies) t (lexeme, frequency)
        ORDER BY 1, 2, 3, 4;
        UPDATE lexemes l SET chunk_count = l.chunk_count + c.count
        FROM (SELECT a.tenant_id, t.lexeme, count(*) FROM added a CROSS JOIN LATERAL unnest(a.lexemes) t (lexeme)
              GROUP BY 1, 2) c
        WHERE l.tenant_id = c.tenant_id AND l.number = c.lexeme;
        INSERT INTO lexical_statistics AS s (tenant_id, configuration, chunk_count, lexeme_total)
        SELECT tenant_id, configuration, count(*), sum(length) FROM added GROUP BY 1, 2
        ON CONFLICT (tenant_id, configuration) DO UPDATE
        SET chunk_count = s.chunk_count + EXCLUDED.chunk_count,
            lexeme_total = s.lexeme_total + EXCLUDED.lexeme_total;
        RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION unindex_chunk_terms() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM lock_lexical_index(tenant_id) FROM (SELECT DISTINCT tenant_id FROM removed) t;
        DELETE FROM postings p
        USING (SELECT r.tenant_id, t.lexeme, posting_impact(t.frequency, r.length) AS impact, r.chunk_number
               FROM removed r CROSS JOIN LATERAL unnest(r.lexemes, r.frequencies) t (lexeme, frequency)) g
        WHERE p.tenant_id = g.tenant_id AND p.lexeme_number = g.lexeme AND p.impact = g.impact
          AND p.chunk_number = g.chunk_number;
        UPDATE lexemes l SET chunk_count = l.chunk_count - c.count
        FROM (SELECT r.tenant_id, t.lexeme, count(*) FROM removed r
              CROSS JOIN LATERAL unnest(r.lexemes) t (lexeme) GROUP BY 1, 2) c
        WHERE l.tenant_id = c.tenant_id AND l.number = c.lexeme;
        DELETE FROM lexemes l
        USING (SELECT DISTINCT r.tenant_id, t.lexeme FROM removed r
               CROSS JOIN LATERAL unnest(r.lexemes) t (lexeme)) g
        WHERE l.tenant_id = g.tenant_id AND l.number = g.lexeme AND l.chunk_count = 0;
        UPDATE lexical_statistics s
        SET chunk_count = s.chunk_count - c.chunks, lexeme_total = s.lexeme_total - c.lexemes
        FROM (SELECT tenant_id, configuration, count(*) AS chunks, sum(length) AS lexemes
              FROM removed GROUP BY 1, 2) c
        WHERE s.tenant_id = c.tenant_id AND s.configuration = c.configuration;
        DELETE FROM lexical_statistics s USING (SELECT DISTINCT tenant_id, configuration FROM removed) c
        WHERE s.tenant_id = c.tenant_id AND s.configuration = c.configuration AND s.chunk_count = 0;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER index_terms AFTER INSERT ON chunk_terms
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION index_chunk_terms()
    """,
    """
    CREATE TRIGGER unindex_terms AFTER DELETE ON chunk_terms
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION unindex_chunk_terms()
    """,
]

SCOPE_TABLES = [
    # One row for each metadata key of a source. `value` is the text that equality compares: the type's first
    # letter, a colon, the value. A number also stands in `number`, a text that is an ISO 8601 date in `moment`.
    """
    CREATE TABLE source_attributes (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        source_id uuid NOT NULL REFERENCES source_documents ON DELETE CASCADE,
        key text NOT NULL,
        value text COLLATE "C" NOT NULL,
        number double precision,
        moment timestamptz,
        PRIMARY KEY (source_id, key)
    )
    """,
    "CREATE INDEX source_attributes_value ON source_attributes (tenant_id, key, value, source_id)",
    """
    CREATE INDEX source_attributes_number ON source_attributes (tenant_id, key, number, source_id)
    WHERE number IS NOT NULL
    """,
    """
    CREATE INDEX source_attributes_moment ON source_attributes (tenant_id, key, moment, source_id)
    WHERE moment IS NOT NULL
    """,
    # Who may read a source: one row for each group of its access list; '' stands for everyone of the tenant.
    """
    CREATE TABLE source_readers (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        source_id uuid NOT NULL REFERENCES source_documents ON DELETE CASCADE,
        reader text COLLATE "C" NOT NULL,
        PRIMARY KEY (source_id, reader)
    )
    """,
    "CREATE INDEX source_readers_reader ON source_readers (tenant_id, reader, source_id)",
    "CREATE INDEX source_documents_language ON source_documents (tenant_id, language, id)",
    "CREATE INDEX source_documents_updated ON source_documents (tenant_id, updated_at, id)",
    # The version of the text analysis that a source's words were indexed with; 0 if they were not yet.
    "ALTER TABLE source_documents ADD COLUMN analysis_version integer NOT NULL DEFAULT 0",
]

NEW_TABLES = (
    "lexical_statistics",
    "lexemes",
    "chunk_terms",
    "postings",
    "source_attributes",
    "source_readers",
)


def upgrade() -> None:
    for statement in [*NUMBER_CHUNKS, *LEXICAL_TABLES, *LEXICAL_FUNCTIONS, *SCOPE_TABLES]:
        op.execute(statement)
    for table in NEW_TABLES:
        protect_tenant_table(table)


# Back to English words without languages; each statement undoes one of the groups above.
UNDO_NEW_TABLES = [
    *(f"DROP TABLE {table}" for table in reversed(NEW_TABLES)),
    *(
        f"DROP FUNCTION {function}"
        for function in (
            "index_chunk_terms()",
            "unindex_chunk_terms()",
            "posting_impact(integer, integer)",
            "lock_lexical_index(uuid)",
        )
    ),
    "DROP INDEX source_documents_language",
    "DROP INDEX source_documents_updated",
    "ALTER TABLE source_documents DROP COLUMN analysis_version",
]
UNNUMBER_CHUNKS = [
    "ALTER TABLE chunk_embeddings ADD COLUMN chunk_id uuid REFERENCES documents ON DELETE CASCADE",
    """
    UPDATE chunk_embeddings e SET chunk_id = d.id FROM documents d WHERE d.number = e.chunk_number
    """,
    "ALTER TABLE chunk_embeddings DROP CONSTRAINT chunk_embeddings_pkey",
    "ALTER TABLE chunk_embeddings DROP COLUMN chunk_number, DROP COLUMN source_id",
    """
    ALTER TABLE chunk_embeddings ALTER COLUMN chunk_id SET NOT NULL, ADD PRIMARY KEY (chunk_id, space_id)
    """,
    "CREATE INDEX chunk_embeddings_tenant ON chunk_embeddings (tenant_id, space_id)",
    "ALTER TABLE documents DROP COLUMN number",
]
FIRST_LEXICAL_TABLES = [
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
    INSERT INTO postings (tenant_id, lexeme, chunk_id, term_frequency)
    SELECT d.tenant_id, t.lexeme, d.id, cardinality(t.positions)
    FROM documents d
    JOIN source_documents s ON s.id = d.source_id AND s.current_version = d.version
    CROSS JOIN LATERAL unnest(
        to_tsvector('english', concat_ws(' ', s.title, array_to_string(d.heading_path, ' '), d.text))
    ) t
    """,
    """
    INSERT INTO chunk_lengths (tenant_id, chunk_id, lexeme_count)
    SELECT d.tenant_id, d.id, coalesce(sum(p.term_frequency), 0)
    FROM documents d
    JOIN source_documents s ON s.id = d.source_id AND s.current_version = d.version
    LEFT JOIN postings p ON p.chunk_id = d.id
    GROUP BY d.tenant_id, d.id
    """,
]
READ_BY_DOWNGRADE = ("chunk_embeddings", "documents", "source_documents")


def downgrade() -> None:
    for statement in UNDO_NEW_TABLES:
        op.execute(statement)
    for table in READ_BY_DOWNGRADE:  # see NUMBER_CHUNKS
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    for statement in [*UNNUMBER_CHUNKS, *FIRST_LEXICAL_TABLES]:
        op.execute(statement)
    for table in READ_BY_DOWNGRADE:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    for table in ("chunk_lengths", "postings"):
        protect_tenant_table(table)
