"""A transaction enters its tenant through a function, which refuses it while the tenant is deleted.

Whatever a deletion had to wait for could itself come to wait for the deletion, and one of them was ended as a
deadlock. A deletion now waits for those who are in, before it has changed anything, and nobody gets in.

On a live table: no table is touched. Programs of the version before go on without the function.

Revision ID: 0013
Revises: 0012
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ENTER_TENANT = """
CREATE FUNCTION enter_tenant(entered uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock_shared(hashtextextended('tenant:' || entered::text, 0)) THEN
        RAISE EXCEPTION 'the tenant is being deleted' USING ERRCODE = 'no_data_found';
    END IF;
    PERFORM set_config('app.tenant_id', entered::text, true);
END $$
"""
DELETE_TENANT = """
CREATE OR REPLACE FUNCTION delete_tenant(doomed uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    {lock}
    PERFORM set_config('app.tenant_id', doomed::text, true);
    DELETE FROM tenants WHERE id = doomed;
    RETURN FOUND;
END $$
"""
LOCK = "PERFORM pg_advisory_xact_lock(hashtextextended('tenant:' || doomed::text, 0));"


def upgrade() -> None:
    op.execute(ENTER_TENANT)
    op.execute(DELETE_TENANT.format(lock=LOCK))


def downgrade() -> None:
    op.execute(DELETE_TENANT.format(lock=""))
    op.execute("DROP FUNCTION enter_tenant")
