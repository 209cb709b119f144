import json
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.addresses import DatabaseLogins
from db.pool import Connection, Database, connect
from db.repositories import scope, tenants
from db.repositories.filters import CompiledFilter, compile_filter
from rag.filters import (
    All,
    AnyOf,
    Condition,
    Field,
    Filter,
    MetadataKey,
    Not,
    Operator,
    SourceFacts,
    SourceField,
    matches,
)

ADD_SOURCE = """
INSERT INTO source_documents (id, tenant_id, source_document_id, title, mime_type, language, content_sha256,
                              metadata, current_version, created_at, updated_at)
VALUES ($1, $2, $3, '', 'text/plain', $4, '', $5, 1, $6, $7)
"""
# As a search has it: the parameters behind its own, the source in a column of its own.
MEETING = """
SELECT m.source_document_id FROM source_documents m WHERE m.tenant_id = $1 AND m.status = $2 AND {condition}
"""
DRIVEN = """
SELECT DISTINCT m.source_document_id
FROM ({driver}) driver JOIN source_documents m ON m.id = driver.source_id
WHERE m.tenant_id = $1 AND m.status = $2 AND {remainder}
"""

FILE = Path(__file__).parents[2] / "data" / "naughty_strings" / "blns.json"
NAUGHTY: list[str] = json.loads(FILE.read_text(encoding="utf-8"))
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
TIMES = [
    NEW_YEAR,
    NEW_YEAR + timedelta(microseconds=1),
    NEW_YEAR + timedelta(days=150),
    datetime.max.replace(tzinfo=UTC),
]
NAMES = ["a", "b", "policies/leave.md", "O'Brien\"; DROP TABLE traces; --"]
KEYS = ["team", "year", "due", 'it\'s a "key" $1 {x} %s', "ключ"]
TEXTS = ["", "ops", "1", "true", "n:1", "$1", "x" * 600, "x" * 601]
DATES = ["2026-01-01", "2026-01-01T00:00:00.000001Z", "2026-05-31T02:00+02:00", "9999-12-31T23:59:59.999999Z"]
NUMBERS = [0, 1, 1.0, -0.0, 2.5, 2**53, 2**53 + 1, 2**63 - 1, 1e300, 5e-324]

values = st.sampled_from([*TEXTS, *DATES, *NUMBERS, True, False])
bounds = st.sampled_from([*map(float, NUMBERS), *TIMES])
unusual = st.sampled_from([None, ["ops"], {"a": 1}])
languages = st.sampled_from(["en", "de"])
sources = st.lists(
    st.builds(
        SourceFacts,
        source_document_id=st.sampled_from(NAMES),
        language=st.none() | languages,
        created_at=st.sampled_from(TIMES),
        updated_at=st.sampled_from(TIMES),
        metadata=st.dictionaries(st.sampled_from(KEYS), values | unusual, max_size=4),
    ),
    max_size=4,
    unique_by=lambda source: source.source_document_id,
)
RANGES = [Operator.GT, Operator.GTE, Operator.LT, Operator.LTE]


def lists_of(some: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(some, min_size=1, max_size=3).map(tuple)


def equalities(field: st.SearchStrategy[Field], some: st.SearchStrategy[object]) -> st.SearchStrategy[Filter]:
    one = st.builds(Condition, field, st.sampled_from([Operator.EQ, Operator.NE]), st.tuples(some))
    several = st.builds(Condition, field, st.sampled_from([Operator.IN, Operator.NIN]), lists_of(some))
    return one | several | st.builds(Condition, field, st.just(Operator.EXISTS))


keys = st.sampled_from(KEYS).map(MetadataKey)
conditions = st.one_of(
    equalities(keys, values),
    st.builds(Condition, keys, st.sampled_from(RANGES), st.tuples(bounds)),
    equalities(st.just(SourceField.SOURCE_DOCUMENT_ID), st.sampled_from(NAMES)),
    equalities(st.just(SourceField.LANGUAGE), languages),
    st.builds(
        Condition,
        st.sampled_from([SourceField.CREATED_AT, SourceField.UPDATED_AT]),
        st.sampled_from(RANGES),
        st.tuples(st.sampled_from(TIMES)),
    ),
)
filters: st.SearchStrategy[Filter] = st.recursive(
    conditions,
    lambda inner: st.one_of(
        st.builds(All, st.lists(inner, max_size=4).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=4).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=8,
)


async def add_source(connection: Connection, tenant_id: UUID, source: SourceFacts) -> None:
    source_id = uuid4()
    await connection.execute(
        ADD_SOURCE,
        source_id,
        tenant_id,
        source.source_document_id,
        source.language,
        source.metadata,
        source.created_at,
        source.updated_at,
    )
    await scope.replace_attributes(connection, tenant_id, source_id, source.metadata)


async def found_by(
    connection: Connection, tenant_id: UUID, statement: str, compiled: CompiledFilter
) -> set[str]:
    text = statement.format(
        condition=compiled.condition, driver=compiled.driver, remainder=compiled.remainder
    )
    found = await connection.fetch(text, tenant_id, "ready", *compiled.values)
    return {row["source_document_id"] for row in found}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sources, filters)
async def test_sql_finds_what_matches(
    database: Database, own_tenant_id: UUID, corpus: list[SourceFacts], condition: Filter
) -> None:
    compiled = compile_filter(condition, source="m.id", first=3)
    expected = {source.source_document_id for source in corpus if matches(condition, source)}
    async with database.tenant(own_tenant_id) as connection:
        transaction = connection.transaction()
        await transaction.start()
        for source in corpus:
            await add_source(connection, own_tenant_id, source)
        assert await found_by(connection, own_tenant_id, MEETING, compiled) == expected
        if compiled.driver:
            assert await found_by(connection, own_tenant_id, DRIVEN, compiled) == expected
        await transaction.rollback()


def equals(key: str, value: str | float) -> Condition:
    return Condition(MetadataKey(key), Operator.EQ, (value,))


def ranged(field: SourceField | MetadataKey, operator: Operator, bound: float | datetime) -> Condition:
    return Condition(field, operator, (bound,))


OPS = equals("team", "ops")
YEAR = MetadataKey("year")
DUE = MetadataKey("due")
ENGLISH = Condition(SourceField.LANGUAGE, Operator.EQ, ("en",))
GERMAN = Condition(SourceField.LANGUAGE, Operator.EQ, ("de",))
NAMED = Condition(SourceField.SOURCE_DOCUMENT_ID, Operator.IN, ("a", "b"))
HAS_YEAR = Condition(YEAR, Operator.EXISTS)
SINCE = ranged(SourceField.CREATED_AT, Operator.GTE, NEW_YEAR)
RECENT = ranged(YEAR, Operator.GTE, 2025.0)
NOT_OPS = Condition(MetadataKey("team"), Operator.NE, ("ops",))


async def test_naughty_strings_are_found_as_what_they_are(database: Database, own_tenant_id: UUID) -> None:
    metadata = {text[:256]: text for text in NAUGHTY if text}
    source = SourceFacts("naughty", None, NEW_YEAR, NEW_YEAR, metadata)
    async with database.tenant(own_tenant_id) as connection:
        await add_source(connection, own_tenant_id, source)
        for key, text in metadata.items():
            for value in (text, f"{text} "):
                compiled = compile_filter(equals(key, value), source="m.id", first=3)
                found = await found_by(connection, own_tenant_id, DRIVEN, compiled)
                assert found == ({"naughty"} if value == text else set())


def driver_of(condition: Filter) -> str | None:
    """The driver, whatever the numbers of its parameters."""
    driver = compile_filter(condition, source="m.id", first=2).driver
    return driver and re.sub(r"\$\d+", "$n", driver)


def test_the_text_depends_on_the_shape_alone() -> None:
    def compiled(names: tuple[str, ...], key: str, value: str | float, moment: datetime) -> CompiledFilter:
        parts = (
            Condition(SourceField.SOURCE_DOCUMENT_ID, Operator.IN, names),
            Not(AnyOf((equals(key, value), Condition(MetadataKey(key), Operator.EXISTS)))),
            ranged(MetadataKey(key), Operator.GT, moment),
        )
        return compile_filter(All(parts), source="m.id", first=3)

    one = compiled(("a",), "k", "v", NEW_YEAR)
    other = compiled(("a'; --", "$1", "}"), '"', 5, NEW_YEAR + timedelta(1))
    assert (one.condition, one.driver) == (other.condition, other.driver)
    assert other.values == (["a'; --", "$1", "}"], '"', "n:5", '"', '"', NEW_YEAR + timedelta(1))


@pytest.mark.parametrize(("narrower", "broader"), [*pairwise([NAMED, OPS, ENGLISH, RECENT, SINCE, HAS_YEAR])])
def test_the_narrower_condition_drives(narrower: Condition, broader: Condition) -> None:
    assert driver_of(narrower) != driver_of(broader)
    assert driver_of(All((narrower, broader))) == driver_of(narrower)
    assert driver_of(All((broader, All((narrower,))))) == driver_of(narrower)


@pytest.mark.parametrize(
    "condition",
    [NOT_OPS, Not(OPS), All((NOT_OPS, Not(SINCE))), AnyOf((OPS, NOT_OPS)), All(()), AnyOf(())],
)
def test_a_negation_drives_nothing(condition: Filter) -> None:
    assert driver_of(condition) is None


def test_alternatives_drive_together_unless_something_narrower_does() -> None:
    together = f"{driver_of(OPS)} UNION ALL {driver_of(RECENT)}"
    assert driver_of(AnyOf((OPS, All((Not(GERMAN), RECENT))))) == together
    assert driver_of(All((AnyOf((OPS, RECENT)), ENGLISH))) == driver_of(ENGLISH)
    assert driver_of(All((AnyOf((OPS, RECENT)), SINCE))) == together


def test_both_ends_of_a_range_are_one_look_up() -> None:
    below, before = ranged(YEAR, Operator.LT, 2026.0), ranged(YEAR, Operator.LT, NEW_YEAR)
    compiled = compile_filter(All((RECENT, All((ENGLISH, below, before)))), source="m.id", first=2)
    assert compiled.condition.count("FROM source_attributes") == 2
    both = "fact.number >= $4::double precision AND fact.number < $5::double precision"
    assert both in compiled.condition


CORPUS = 3000
# Names, keys and values of each tenant are the same, so that only the tenant tells their rows apart.
ADD_CORPUS = """
WITH numbered AS (SELECT n, gen_random_uuid() AS id FROM generate_series(1, $2) n), added AS (
    INSERT INTO source_documents (id, tenant_id, source_document_id, title, mime_type, language,
                                  content_sha256, current_version, created_at, updated_at)
    SELECT id, $1, 'doc-' || n, '', 'text/plain',
           CASE n % 50 WHEN 0 THEN NULL WHEN 1 THEN 'de' ELSE 'en' END, '', 1,
           '2026-01-01Z'::timestamptz + n * interval '1 hour',
           '2026-06-01Z'::timestamptz + n * interval '1 hour'
    FROM numbered
)
INSERT INTO source_attributes (tenant_id, source_id, key, value, number, moment)
SELECT $1, id, key, value, number, moment
FROM numbered CROSS JOIN LATERAL (
    VALUES ('team', 's:team-' || n % 100, NULL::float8, NULL::timestamptz),
           ('year', 'n:' || n % 200, n % 200, NULL),
           ('due', 's:' || n, NULL, '2026-01-01Z'::timestamptz + n * interval '1 day'),
           (CASE n % 100 WHEN 0 THEN 'rare' ELSE 'title' END, 's:' || n, NULL, NULL)
) given (key, value, number, moment)
"""
# As a search reads a driver: with the condition on what it gives.
LOOKING = "SELECT driver.source_id FROM ({driver}) driver WHERE {remainder}"


@pytest.fixture(scope="module")
async def large_tenant_id(database: Database, logins: DatabaseLogins) -> UUID:
    """One of two tenants with a few thousand sources each."""
    for _ in range(2):
        async with database.system() as connection:
            tenant_id = (await tenants.ensure(connection, slug=f"t-{uuid4().hex}", name="Large")).id
        async with database.tenant(tenant_id) as connection:
            await connection.execute(ADD_CORPUS, tenant_id, CORPUS)
    owner = await connect(logins.owner)
    try:
        await owner.execute("ANALYZE source_documents, source_attributes")
    finally:
        await owner.close()
    return tenant_id


async def explain(database: Database, tenant_id: UUID, condition: Filter) -> str:
    compiled = compile_filter(condition, source="driver.source_id", first=2)
    text = f"EXPLAIN {LOOKING.format(driver=compiled.driver, remainder=compiled.remainder)}"
    async with database.tenant(tenant_id) as connection:
        return "\n".join(row[0] for row in await connection.fetch(text, tenant_id, *compiled.values))


def named_in(*names: str) -> Condition:
    return Condition(SourceField.SOURCE_DOCUMENT_ID, Operator.IN, names)


def team_in(*teams: str) -> Condition:
    return Condition(MetadataKey("team"), Operator.IN, teams)


@pytest.mark.parametrize(
    ("condition", "index", "looked_up"),
    [
        (
            named_in("doc-1", "doc-2"),
            "source_documents_tenant_id_source_document_id_key",
            "source_document_id = ANY",
        ),
        (equals("team", "team-7"), "source_attributes_value", "value ="),
        (team_in("team-7", "team-8"), "source_attributes_value", "value = ANY"),
        (GERMAN, "source_documents_language", "language ="),
        (ranged(YEAR, Operator.GTE, 199.0), "source_attributes_number", "number >="),
        (
            All((ranged(YEAR, Operator.GT, 7.0), ranged(YEAR, Operator.LT, 9.0))),
            "source_attributes_number",
            "number <",
        ),
        (ranged(DUE, Operator.LT, NEW_YEAR + timedelta(20)), "source_attributes_moment", "moment <"),
        (
            ranged(SourceField.CREATED_AT, Operator.LT, NEW_YEAR + timedelta(2)),
            "source_documents_page",
            "created_at <",
        ),
        (
            ranged(SourceField.UPDATED_AT, Operator.LT, NEW_YEAR + timedelta(153)),
            "source_documents_updated",
            "updated_at <",
        ),
        (Condition(MetadataKey("rare"), Operator.EXISTS), "source_attributes_value", "key ="),
    ],
)
async def test_a_driver_uses_its_index_under_the_policies(
    database: Database, large_tenant_id: UUID, condition: Filter, index: str, looked_up: str
) -> None:
    plan = await explain(database, large_tenant_id, condition)
    assert "Seq Scan" not in plan
    assert index in plan
    looks = [line for line in plan.splitlines() if "Index Cond" in line and looked_up in line]
    assert any("tenant_id =" in line for line in looks), plan


async def test_alternatives_use_an_index_each(database: Database, large_tenant_id: UUID) -> None:
    plan = await explain(database, large_tenant_id, AnyOf((equals("team", "team-7"), GERMAN)))
    assert "Append" in plan
    assert "source_attributes_value" in plan
    assert "source_documents_language" in plan
    assert "Seq Scan" not in plan


async def test_a_condition_is_looked_up_by_primary_key(database: Database, large_tenant_id: UUID) -> None:
    condition = All((equals("team", "team-7"), Not(AnyOf((HAS_YEAR, ENGLISH))), SINCE))
    plan = await explain(database, large_tenant_id, condition)
    assert plan.count("SubPlan") >= 3
    assert "hashed" not in plan
    assert "Seq Scan" not in plan
    assert plan.count("using source_attributes_pkey") == 1, "what the driver has seen isn't looked up again"
    assert plan.count("using source_documents_pkey") == 2


async def test_a_driver_finds_only_the_tenants_own(database: Database, large_tenant_id: UUID) -> None:
    compiled = compile_filter(equals("team", "team-7"), source="driver.source_id", first=2)
    text = LOOKING.format(driver=compiled.driver, remainder=compiled.remainder)
    async with database.tenant(large_tenant_id) as connection:
        assert len(await connection.fetch(text, large_tenant_id, *compiled.values)) == CORPUS // 100
    async with database.tenant(uuid4()) as connection:
        assert await connection.fetch(text, large_tenant_id, *compiled.values) == []
