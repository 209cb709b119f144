"""Plans, and what requests take of their limits.

On a live table: `tenants` gets another default and a foreign key (a moment of a lock; tenants are few). The
index on `source_versions` locks out writers while it is built, about a second for 100,000 versions. Tenants
keep what they had: the plan without quotas.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

from db.rls import protect_tenant_table

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

PLANS = [
    "CREATE TABLE plans (name text PRIMARY KEY, limits jsonb NOT NULL)",
    """
    INSERT INTO plans (name, limits) VALUES
    ('free', '{"requests_per_minute": 60, "key_requests_per_minute": 60, "chat_per_minute": 20,
               "requests_per_day": 1000, "tokens_per_month": 1000000, "cost_usd_per_month": 5,
               "documents": 100, "storage_bytes": 104857600}'),
    ('pro', '{"requests_per_minute": 600, "key_requests_per_minute": 300, "chat_per_minute": 120,
              "requests_per_day": 50000, "tokens_per_month": 50000000, "cost_usd_per_month": 250,
              "documents": 10000, "storage_bytes": 10737418240}'),
    ('enterprise', '{"requests_per_minute": 12000}')
    """,
    "ALTER TABLE tenants NO FORCE ROW LEVEL SECURITY",  # the owner has no tenant here
    "UPDATE tenants SET plan = 'enterprise' WHERE plan NOT IN (SELECT name FROM plans)",
    """
    ALTER TABLE tenants ALTER COLUMN plan SET DEFAULT 'enterprise',
        ADD CONSTRAINT tenants_plan_fkey FOREIGN KEY (plan) REFERENCES plans
    """,
    "ALTER TABLE tenants FORCE ROW LEVEL SECURITY",
    "GRANT SELECT ON plans TO groundwork_app, groundwork_system",
]
# Neither is written to the log of changes: a server that crashes forgets the last minute's requests.
TAKEN = [
    """
    CREATE UNLOGGED TABLE rate_slots (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        scope text COLLATE "C" NOT NULL,
        slot bigint NOT NULL,
        taken integer NOT NULL,
        PRIMARY KEY (tenant_id, scope, slot)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE UNLOGGED TABLE quota_reservations (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        tokens bigint NOT NULL,
        cost_usd numeric NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX quota_reservations_tenant ON quota_reservations (tenant_id)",
    """
    CREATE TABLE request_counts (
        tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
        day date NOT NULL,
        requests bigint NOT NULL,
        PRIMARY KEY (tenant_id, day)
    ) WITH (fillfactor = 50)
    """,
    "CREATE INDEX source_versions_size ON source_versions (tenant_id) INCLUDE (byte_size)",
]
FUNCTIONS = [
    # The plan's limits with the tenant's own in their place. What is null or missing is not limited. In plpgsql,
    # which plans a statement once a session, not at each call.
    """
    CREATE FUNCTION limits_of(tenant uuid) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
    BEGIN
        RETURN (SELECT p.limits || coalesce(t.settings -> 'limits', '{}')
                FROM tenants t JOIN plans p ON p.name = t.plan WHERE t.id = tenant);
    END $$
    """,
    # The quotas of this day and month (UTC), what is used and reserved of each, and seconds until they begin
    # anew.
    """
    CREATE FUNCTION quota_standings(tenant uuid, limits jsonb)
    RETURNS TABLE (name text, quota numeric, used numeric, reset_s double precision)
    LANGUAGE sql STABLE AS $$
        WITH clock AS (
            SELECT now, now::date AS today, date_trunc('month', now)::date AS month,
                   extract(epoch FROM now::date + 1 - now) AS day_s,
                   extract(epoch FROM date_trunc('month', now) + interval '1 month' - now) AS month_s
            FROM (SELECT clock_timestamp() AT TIME ZONE 'UTC' AS now) c
        ), requests AS (
            SELECT coalesce(sum(requests), 0) AS month,
                   coalesce(sum(requests) FILTER (WHERE day = today), 0) AS day
            FROM clock, request_counts WHERE tenant_id = tenant AND day >= month
        ), spent AS (
            SELECT coalesce(sum(s.tokens), 0) AS tokens, coalesce(sum(s.cost_usd), 0) AS cost,
                   coalesce(sum(s.day_tokens) FILTER (WHERE s.day = today), 0) AS day_tokens,
                   coalesce(sum(s.day_cost_usd) FILTER (WHERE s.day = today), 0) AS day_cost
            FROM clock, usage_sums s WHERE s.tenant_id = tenant AND s.month = clock.month
        ), reserved AS (
            SELECT coalesce(sum(tokens), 0) AS tokens, coalesce(sum(cost_usd), 0) AS cost
            FROM clock, quota_reservations WHERE tenant_id = tenant AND expires_at > clock_timestamp()
        )
        SELECT v.* FROM clock c, requests r, spent s, reserved h, LATERAL (VALUES
            ('requests-day', (limits ->> 'requests_per_day')::numeric, r.day::numeric, c.day_s),
            ('requests-month', (limits ->> 'requests_per_month')::numeric, r.month, c.month_s),
            ('tokens-day', (limits ->> 'tokens_per_day')::numeric, s.day_tokens + h.tokens, c.day_s),
            ('tokens-month', (limits ->> 'tokens_per_month')::numeric, s.tokens + h.tokens, c.month_s),
            ('cost-day', (limits ->> 'cost_usd_per_day')::numeric, s.day_cost + h.cost, c.day_s),
            ('cost-month', (limits ->> 'cost_usd_per_month')::numeric, s.cost + h.cost, c.month_s)
        ) v
    $$
    """,
    # Requests per minute are kept in slots of half a second. A slot counts for the 120 after it, so that in no
    # minute more get through than may, and at most 1 % less. One call at a time works on a tenant's limits,
    # hence what it reads is current. Commits are not waited for: a server that crashes forgets the last few.
    """
    CREATE FUNCTION admit_requests(
        of_tenant uuid, keys text[], classes text[], counts integer[], need_tokens bigint[],
        need_costs numeric[], hold interval)
    RETURNS TABLE (granted integer, reservations uuid[], standings jsonb) LANGUAGE plpgsql AS $$
    #variable_conflict use_column
    DECLARE
        limits jsonb;
        epoch double precision;
        now_slot bigint;
        scopes text[];
        spends boolean;
    BEGIN
        PERFORM set_config('app.tenant_id', of_tenant::text, true),
                set_config('synchronous_commit', 'off', true);
        PERFORM pg_advisory_xact_lock(hashtextextended('limits:' || of_tenant::text, 0));
        limits := limits_of(of_tenant);
        spends := coalesce(limits ->> 'tokens_per_day', limits ->> 'tokens_per_month',
                           limits ->> 'cost_usd_per_day', limits ->> 'cost_usd_per_month') IS NOT NULL;
        FOR i IN 1..cardinality(keys) LOOP
            epoch := extract(epoch FROM clock_timestamp());
            now_slot := floor(epoch * 2);
            WITH found AS (
                SELECT r.name, r.scope, r.quota, coalesce(t.used, 0) AS used, 1::numeric AS need,
                       coalesce((t.oldest + 121) / 2.0 - epoch, 60) AS reset_s
                FROM (VALUES
                    ('tenant', 'tenant', limits ->> 'requests_per_minute'),
                    (classes[i], classes[i], limits ->> (classes[i] || '_per_minute')),
                    ('key', keys[i], limits ->> 'key_requests_per_minute')
                ) v (name, scope, quota)
                CROSS JOIN LATERAL (SELECT v.name, v.scope, v.quota::numeric AS quota) r
                LEFT JOIN LATERAL (
                    SELECT sum(s.taken) AS used, min(s.slot) AS oldest FROM rate_slots s
                    WHERE s.tenant_id = of_tenant AND s.scope = r.scope AND s.slot > now_slot - 121
                ) t ON true
                WHERE r.quota IS NOT NULL AND r.scope IS NOT NULL
                UNION ALL
                SELECT q.name, NULL, q.quota, q.used, least(n.need, q.quota), q.reset_s
                FROM quota_standings(of_tenant, limits) q CROSS JOIN LATERAL (
                    SELECT CASE split_part(q.name, '-', 1) WHEN 'tokens' THEN need_tokens[i]
                           WHEN 'cost' THEN need_costs[i] ELSE 1 END AS need) n
                WHERE q.quota IS NOT NULL AND n.need IS NOT NULL
            ), given AS (
                SELECT least(counts[i], coalesce(min(
                    CASE WHEN used >= quota THEN 0
                         WHEN need = 0 THEN counts[i]
                         ELSE least(floor((quota - used) / need), counts[i]) END), counts[i]))::integer AS n
                FROM found
            )
            SELECT g.n, array_agg(f.scope) FILTER (WHERE f.scope IS NOT NULL), coalesce(jsonb_agg(
                jsonb_build_object('name', f.name, 'limit', f.quota, 'used', f.used + g.n * f.need,
                                   'need', f.need, 'reset_s', f.reset_s, 'is_rate', f.scope IS NOT NULL)
                ) FILTER (WHERE f.name IS NOT NULL), '[]')
            INTO granted, scopes, standings FROM given g LEFT JOIN found f ON true GROUP BY g.n;
            reservations := NULL;
            IF granted > 0 AND limits IS NOT NULL THEN  -- else the tenant has just been deleted
                INSERT INTO rate_slots AS s (tenant_id, scope, slot, taken)
                SELECT of_tenant, scope, now_slot, granted FROM unnest(scopes) scope
                ON CONFLICT (tenant_id, scope, slot) DO UPDATE SET taken = s.taken + EXCLUDED.taken;
                INSERT INTO request_counts AS c (tenant_id, day, requests)
                VALUES (of_tenant, (clock_timestamp() AT TIME ZONE 'UTC')::date, granted)
                ON CONFLICT (tenant_id, day) DO UPDATE SET requests = c.requests + EXCLUDED.requests;
            END IF;
            IF granted > 0 AND spends AND need_tokens[i] > 0 THEN
                WITH held AS (
                    INSERT INTO quota_reservations (tenant_id, tokens, cost_usd, expires_at)
                    SELECT of_tenant, need_tokens[i], need_costs[i], clock_timestamp() + hold
                    FROM generate_series(1, granted) RETURNING id
                ) SELECT array_agg(id) INTO reservations FROM held;
            END IF;
            DELETE FROM rate_slots
            WHERE tenant_id = of_tenant AND scope = ANY (scopes) AND slot <= now_slot - 121;
            RETURN NEXT;
        END LOOP;
    END $$
    """,
]


def upgrade() -> None:
    for statement in [*PLANS, *TAKEN, *FUNCTIONS]:
        op.execute(statement)
    for table in ("rate_slots", "quota_reservations", "request_counts"):
        protect_tenant_table(table)


UNDO = [
    "DROP FUNCTION admit_requests",
    "DROP FUNCTION quota_standings",
    "DROP FUNCTION limits_of",
    "DROP INDEX source_versions_size",
    "DROP TABLE request_counts",
    "DROP TABLE quota_reservations",
    "DROP TABLE rate_slots",
    "ALTER TABLE tenants ALTER COLUMN plan SET DEFAULT 'standard', DROP CONSTRAINT tenants_plan_fkey",
    "DROP TABLE plans",
]


def downgrade() -> None:
    for statement in UNDO:
        op.execute(statement)
