"""Erasure, pseudonyms and encrypted fields.

On a live table: `traces` gets a column with a constant default (a moment of an exclusive lock, no rewrite); the
other tables are new.

Revision ID: 0008
Revises: 0007
"""

from alembic import op

from db.rls import protect_tenant_table

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

PRIVACY = [
    # Which kinds of personal data were taken out of the question.
    "ALTER TABLE traces ADD COLUMN redacted text[] NOT NULL DEFAULT '{}'",
    # Who was erased, as a digest, for a day: so long at most, an answer can still be on its way.
    """
    CREATE TABLE erasures (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        person_digest text NOT NULL,
        erased_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    "CREATE INDEX erasures_person ON erasures (tenant_id, person_digest, erased_at)",
    """
    CREATE TABLE data_keys (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        version integer NOT NULL CHECK (version > 0),
        wrapping text NOT NULL CHECK (wrapping IN ('local', 'kms')),
        wrapped bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, version)
    )
    """,
]
# Tables that requests may only add to keep their rows, under another name. Runs as the tables' owner, whom
# row-level security binds to the tenant as everyone.
PSEUDONYMISE = """
CREATE FUNCTION pseudonymise(of_tenant uuid, names text[], pseudonym text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    changed bigint := 0;
    found bigint;
    kept text;
    name text;
BEGIN
    IF pseudonym !~ '^erased:[0-9a-f]{32}$' THEN
        RAISE EXCEPTION 'not a pseudonym';
    END IF;
    PERFORM set_config('app.tenant_id', of_tenant::text, true);
    FOREACH name IN ARRAY names LOOP
        UPDATE audit_log SET details = replace(details::text, to_json(name)::text, to_json(pseudonym)::text)::jsonb
        WHERE tenant_id = of_tenant AND (subject = ANY (names) OR object_id = ANY (names))
          AND strpos(details::text, to_json(name)::text) > 0;
    END LOOP;
    UPDATE audit_log SET client_address = NULL, user_agent = NULL
    WHERE tenant_id = of_tenant AND subject = ANY (names);
    UPDATE audit_log SET object_id = pseudonym WHERE tenant_id = of_tenant AND object_id = ANY (names);
    FOR kept IN
        SELECT format('%I', c.relname) FROM pg_class c
        JOIN pg_attribute t ON t.attrelid = c.oid AND t.attname = 'tenant_id'
        JOIN pg_attribute s ON s.attrelid = c.oid AND s.attname = 'subject'
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND NOT has_table_privilege('groundwork_app', c.oid, 'DELETE')
    LOOP
        EXECUTE format('UPDATE %s SET subject = $1 WHERE tenant_id = $2 AND subject = ANY ($3)', kept)
        USING pseudonym, of_tenant, names;
        GET DIAGNOSTICS found = ROW_COUNT;
        changed := changed + found;
    END LOOP;
    RETURN changed;
END $$
"""


def upgrade() -> None:
    for statement in PRIVACY:
        op.execute(statement)
    protect_tenant_table("erasures")
    protect_tenant_table("data_keys")
    op.execute("REVOKE UPDATE, DELETE ON data_keys FROM groundwork_app")
    op.execute(PSEUDONYMISE)
    op.execute("REVOKE ALL ON FUNCTION pseudonymise FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION pseudonymise TO groundwork_system")


def downgrade() -> None:
    op.execute("DROP FUNCTION pseudonymise")
    op.execute("DROP TABLE data_keys, erasures")
    op.execute("ALTER TABLE traces DROP COLUMN redacted")
