"""Who did what, and how long things are kept.

On a live table: the new indexes on conversations, messages, traces and feedback lock out their writers while
they are built, a few seconds for a million rows. `audit_log` is new.

Revision ID: 0007
Revises: 0006
"""

from alembic import op

from db.rls import protect_tenant_table

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# What a request may write of it; the time is the database's.
WRITTEN = (
    "tenant_id, subject, key_id, action, object_type, object_id, result, code, request_id, client_address, "
    "user_agent, details"
)
AUDIT_LOG = [
    """
    CREATE TABLE audit_log (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        subject text NOT NULL,
        key_id uuid,
        action text NOT NULL,
        object_type text NOT NULL,
        object_id text,
        result text NOT NULL CHECK (result IN ('succeeded', 'denied', 'failed')),
        code text,
        request_id text,
        client_address text,
        user_agent text,
        details jsonb NOT NULL DEFAULT '{}'
    )
    """,
    "CREATE INDEX audit_log_page ON audit_log (tenant_id, at, id)",
    "CREATE INDEX audit_log_subject ON audit_log (tenant_id, subject, at, id)",
    "CREATE INDEX audit_log_object ON audit_log (tenant_id, object_id, at, id) WHERE object_id IS NOT NULL",
]
# By age, and for each side of a foreign key that is looked for when the other one goes.
INDEXES = {
    "conversations_age": "conversations (tenant_id, created_at)",
    "traces_age": "traces (tenant_id, created_at)",
    "traces_conversation": "traces (conversation_id)",
    "messages_trace": "messages (trace_id)",
    "feedback_age": "feedback (tenant_id, created_at)",
}
# `groundwork_system` reaches only what is so many days old, whatever it is asked to delete: the audit log's
# last month, and of the ledger the months that quotas are counted by. A tenant's own retention may be longer,
# or null, which is for ever.
EXPIRED = """
CREATE POLICY system_access ON {table} TO groundwork_system USING ({time} < now() - (
    SELECT CASE jsonb_typeof(settings #> '{{retention,{setting}}}')
        WHEN 'null' THEN NULL
        WHEN 'number' THEN greatest({least}, (settings #>> '{{retention,{setting}}}')::numeric::int)
        ELSE {least}
    END * interval '1 day'
    FROM tenants WHERE tenants.id = tenant_id))
"""


def upgrade() -> None:
    for statement in AUDIT_LOG:
        op.execute(statement)
    protect_tenant_table("audit_log")
    op.execute("REVOKE ALL ON audit_log FROM groundwork_app")
    op.execute(f"GRANT SELECT, INSERT ({WRITTEN}) ON audit_log TO groundwork_app")
    # With a tenant its log would go.
    op.execute("REVOKE DELETE ON tenants FROM groundwork_app")
    for name, columns in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON {columns}")
    op.execute(EXPIRED.format(table="audit_log", time="at", setting="audit_days", least=30))
    op.execute(EXPIRED.format(table="usage_ledger", time="day + 1", setting="usage_days", least=62))
    op.execute("GRANT SELECT, DELETE ON audit_log, usage_ledger TO groundwork_system")


def downgrade() -> None:
    op.execute("REVOKE SELECT, DELETE ON usage_ledger FROM groundwork_system")
    op.execute("DROP POLICY system_access ON usage_ledger")
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
    op.execute("GRANT DELETE ON tenants TO groundwork_app")
    op.execute("DROP TABLE audit_log")
