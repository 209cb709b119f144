"""The tenant walls as the database describes them: policies, privileges, and what could go past them."""

import re
from collections import defaultdict
from collections.abc import AsyncIterator

import pytest

from db.addresses import APP_ROLE, SYSTEM_ROLE, DatabaseLogins
from db.pool import Connection, connect

EVERYTHING = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
# Tables of no tenant. All others belong to one, and `groundwork_app` may do EVERYTHING with its rows unless
# said otherwise below.
SHARED_TABLES = {"alembic_version", "embedding_spaces", "plans"}
APP_MAY: dict[str, frozenset[str]] = {
    "alembic_version": frozenset(),
    "embedding_spaces": frozenset({"SELECT"}),
    "plans": frozenset({"SELECT"}),
    "tenants": EVERYTHING - {"DELETE"},
    "audit_log": frozenset({"SELECT"}),  # and INSERT of the columns below
    "usage_ledger": frozenset({"SELECT", "INSERT"}),
    "usage_sums": EVERYTHING - {"DELETE"},
    "data_keys": frozenset({"SELECT", "INSERT"}),
}
# What the role that serves no tenant may do across all of them.
SYSTEM_MAY: dict[str, frozenset[str]] = {
    "embedding_spaces": frozenset({"SELECT"}),
    "plans": frozenset({"SELECT"}),
    "tenants": frozenset({"SELECT", "INSERT"}),
    "jobs": frozenset({"SELECT", "INSERT", "UPDATE"}),
    "schedules": frozenset({"SELECT", "INSERT", "UPDATE"}),
    "api_keys": frozenset({"SELECT"}),  # and the time of the last use
    "audit_log": frozenset({"SELECT", "DELETE"}),
    "usage_ledger": frozenset({"SELECT", "DELETE"}),
    "experiments": frozenset({"SELECT"}),
    "experiment_variants": frozenset({"SELECT"}),
}
# Of these it sees only rows that are older than they must be kept.
EXPIRING = {"audit_log", "usage_ledger"}
# Privileges on single columns, as (role, table, privilege): columns.
COLUMNS_MAY: dict[tuple[str, str, str], set[str]] = {
    (SYSTEM_ROLE, "api_keys", "UPDATE"): {"last_used_at"},
    # All but its id and time, which are the database's.
    (APP_ROLE, "audit_log", "INSERT"): {
        *("tenant_id", "subject", "key_id", "action", "object_type", "object_id", "result", "code"),
        *("request_id", "client_address", "user_agent", "details"),
    },
}
# Functions that run with their owner's rights, and why each has to.
SECURITY_DEFINERS: dict[str, str] = {
    "pseudonymise": "erases a person from tables that requests may only add to; `groundwork_system` calls it",
    "delete_tenant": "rows go that requests may only add to; `groundwork_system` calls it",
}
# Functions that set the tenant, and why it can't be done before they are called.
SETTERS: dict[str, str] = {
    "admit_requests": "one round trip for each request; it is called outside any transaction of a tenant",
    "pseudonymise": "`groundwork_system`, who calls it, has no tenant",
    "delete_tenant": "the same",
    "enter_tenant": "is how it is set before everything else",
}

OWN_TENANT = "({column} = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid)"

TABLES = """
SELECT c.relname AS name, c.relkind::text AS kind, c.relrowsecurity AND c.relforcerowsecurity AS forced,
       EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id') AS has_tenant
FROM pg_class c WHERE c.relkind IN ('r', 'p', 'f', 'm') AND c.relnamespace = 'public'::regnamespace
"""
POLICIES = """
SELECT tablename, policyname, permissive, roles::text[], cmd, qual, with_check
FROM pg_policies WHERE schemaname = 'public'
"""
# Indexes and sequences included: a sequence of its own would give away how much others write.
PRIVILEGES = """
SELECT c.relname AS relation, coalesce(r.rolname, 'PUBLIC') AS role, p.privilege_type AS privilege
FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) p LEFT JOIN pg_roles r ON r.oid = p.grantee
WHERE c.relnamespace = 'public'::regnamespace AND p.grantee <> c.relowner
"""
COLUMNS = """
SELECT coalesce(r.rolname, 'PUBLIC') AS role, c.relname AS relation, a.attname AS name,
       p.privilege_type AS privilege
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid CROSS JOIN LATERAL aclexplode(a.attacl) p
LEFT JOIN pg_roles r ON r.oid = p.grantee
WHERE c.relnamespace = 'public'::regnamespace AND p.grantee <> c.relowner
"""
# Extensions' own functions are the server's, not ours.
FUNCTIONS = """
SELECT p.proname AS name, p.prosecdef AS definer, p.proleakproof AS leakproof, p.proconfig AS settings,
       has_function_privilege('groundwork_app', p.oid, 'EXECUTE') AS by_requests
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
"""
VIEWS = """
SELECT c.relname FROM pg_class c
WHERE c.relkind IN ('v', 'm') AND c.relnamespace = 'public'::regnamespace
  AND NOT coalesce('security_invoker=true' = ANY (c.reloptions), false)
"""
RULES = """
SELECT rulename FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
WHERE c.relnamespace = 'public'::regnamespace AND r.rulename <> '_RETURN'
"""
MEMBERSHIPS = """
SELECT m.rolname AS member, g.rolname AS of FROM pg_auth_members a
JOIN pg_roles m ON m.oid = a.member JOIN pg_roles g ON g.oid = a.roleid WHERE m.rolname = ANY ($1)
"""


@pytest.fixture
async def owner(logins: DatabaseLogins) -> AsyncIterator[Connection]:
    connection = await connect(logins.owner)
    yield connection
    await connection.close()


async def test_every_table_of_a_tenant_has_forced_policies(owner: Connection) -> None:
    tables = {row["name"]: row for row in await owner.fetch(TABLES)}
    assert len(tables) >= 22
    assert {name for name, row in tables.items() if row["kind"] not in {"r", "p"}} == set()
    assert {name for name, row in tables.items() if not row["forced"]} == SHARED_TABLES
    assert {name for name in SHARED_TABLES if tables[name]["has_tenant"]} == set()


async def test_policies_open_a_row_to_its_own_tenant_alone(owner: Connection) -> None:
    """Policies add up, so that one more, however named, would open a table."""
    found = await owner.fetch(POLICIES)
    for row in found:
        if row["policyname"] == "system_access":
            assert row["roles"] == [SYSTEM_ROLE], row
            assert (row["qual"] == "true") == (row["tablename"] not in EXPIRING)
            continue
        column = "id" if row["tablename"] == "tenants" else "tenant_id"
        condition = OWN_TENANT.format(column=column)
        assert dict(row) == {
            "tablename": row["tablename"],
            "policyname": "tenant_isolation",
            "permissive": "PERMISSIVE",
            "roles": ["public"],
            "cmd": "ALL",
            "qual": condition,
            "with_check": condition,
        }
    isolated = {row["tablename"] for row in found if row["policyname"] == "tenant_isolation"}
    assert isolated == {row["name"] for row in await owner.fetch(TABLES)} - SHARED_TABLES
    across = {row["tablename"] for row in found if row["policyname"] == "system_access"}
    assert across == set(SYSTEM_MAY) - SHARED_TABLES


async def test_roles_have_the_privileges_that_are_declared_and_no_others(owner: Connection) -> None:
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for row in await owner.fetch(PRIVILEGES):
        found[row["role"], row["relation"]].add(row["privilege"])
    tables = {row["name"] for row in await owner.fetch(TABLES)}
    declared = {(APP_ROLE, table): APP_MAY.get(table, EVERYTHING) for table in tables}
    declared |= {(SYSTEM_ROLE, table): privileges for table, privileges in SYSTEM_MAY.items()}
    assert found == {key: privileges for key, privileges in declared.items() if privileges}
    columns: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
    for row in await owner.fetch(COLUMNS):
        columns[row["role"], row["relation"], row["privilege"]].add(row["name"])
    assert columns == COLUMNS_MAY


@pytest.mark.parametrize("role", [APP_ROLE, SYSTEM_ROLE])
async def test_a_role_that_serves_requests_can_become_nothing_more(owner: Connection, role: str) -> None:
    assert await owner.fetch(MEMBERSHIPS, [role]) == []
    attributes = await owner.fetchrow(
        "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication AS any, "
        "has_schema_privilege($1, 'public', 'CREATE') AS makes_tables FROM pg_roles WHERE rolname = $1",
        role,
    )
    assert attributes is not None
    assert dict(attributes) == {"any": False, "makes_tables": False}
    assert await owner.fetch("SELECT * FROM pg_default_acl") == []


async def test_no_view_function_or_rule_goes_past_the_policies(owner: Connection) -> None:
    functions = {row["name"]: row for row in await owner.fetch(FUNCTIONS)}
    definers = {name: row for name, row in functions.items() if row["definer"]}
    assert set(definers) == set(SECURITY_DEFINERS)
    assert [name for name, row in definers.items() if row["by_requests"]] == []
    # Without a path of its own it takes what its caller puts in front, such as a temporary table.
    paths = {name: row["settings"] or [] for name, row in definers.items()}
    safe = re.compile(r"search_path=[\w, ]+, pg_temp")
    assert [name for name, path in paths.items() if not any(map(safe.fullmatch, path))] == []
    # A leakproof function is run on rows before the policies have sorted them out.
    assert [name for name, row in functions.items() if row["leakproof"]] == []
    assert await owner.fetch(VIEWS) == []
    assert await owner.fetch(RULES) == []


async def test_the_tenant_is_set_by_few(owner: Connection) -> None:
    setters = await owner.fetch(f"{FUNCTIONS} AND p.prosrc ~ $1", r"set_config\('app\.tenant_id'")
    assert {row["name"] for row in setters} == set(SETTERS)
