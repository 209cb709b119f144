import asyncio
import math
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
from pgvector import HalfVector

from db.pool import Database
from db.repositories import tenants
from db.stores import PostgresSourceStore
from rag.analysis import analyse
from rag.errors import ConflictError
from rag.filters import Condition, MetadataKey, Operator
from rag.fuse import Candidate, Fusion, FusionMethod, fuse
from rag.ports import SearchQuery, SearchScope, SourceLabels, Writer
from tests.integration.db.corpus import Searcher, both_legs, new_version, unit_vector


async def test_words_are_scored_by_bm25(
    store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    await store.add_version(
        Writer(own_tenant_id), new_version("a", ["red apple", "red red brick wall", "green pear"])
    )
    matches = (await search.words("red")).passages
    # N = 3 chunks, df = 2, lengths 2, 4 and 2: average 8/3; k1 = 1.2, b = 0.75
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    twice = idf * 2 / (2 + 1.2 * (0.25 + 0.75 * 4 / (8 / 3)))
    once = idf * 1 / (1 + 1.2 * (0.25 + 0.75 * 2 / (8 / 3)))
    assert [match.score for match in matches] == pytest.approx([twice, once])


async def test_a_natural_question_needs_only_some_of_its_words(
    store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    texts = ["Up to five vacation days are carried over.", "Lunch costs four euros."]
    await store.add_version(Writer(own_tenant_id), new_version("a", texts))
    found = await search.texts("how many vacation days can I carry over to the next year?")
    assert found == texts[:1]


@pytest.mark.parametrize("query", ["", "the of and", "!!!", "' OR 1=1 --", "a:* & | !", "\\", "日本語"])
async def test_a_query_without_words_finds_nothing(
    store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID, query: str
) -> None:
    await store.add_version(Writer(own_tenant_id), new_version("a", ["plain words"]))
    assert (await search.words(query)).passages == []


async def test_the_nearest_vectors_come_first(
    store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    await store.add_version(
        Writer(own_tenant_id), new_version("a", [f"text {n}" for n in range(20)], seed=100)
    )
    matches = (await search.vector(unit_vector(107), limit=5)).passages
    assert matches[0].passage.text == "text 7"
    assert matches[0].score == pytest.approx(1, abs=1e-3)
    assert [m.score for m in matches] == sorted((m.score for m in matches), reverse=True)


async def test_a_new_version_replaces_the_old_one_in_both_legs(
    store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    first = await store.add_version(Writer(own_tenant_id), new_version("a", ["old wording"], seed=1))
    second = await store.add_version(Writer(own_tenant_id), new_version("a", ["new wording"], seed=2))
    assert (second.document_id, second.version) == (first.document_id, 2)
    scope = SearchScope(own_tenant_id)
    assert await search.texts("wording", scope) == ["new wording"]
    assert len((await search.vector(unit_vector(1), scope)).passages) == 1


async def test_a_new_version_of_one_source_leaves_the_others_alone(
    store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    await store.add_version(Writer(own_tenant_id), new_version("a", ["apples"]))
    await store.add_version(Writer(own_tenant_id), new_version("b", ["apples too"]))
    await store.add_version(Writer(own_tenant_id), new_version("b", ["apples again"]))
    found = await search.texts("apples")
    assert sorted(found) == ["apples", "apples again"]


async def test_an_access_list_hides_a_source_from_all_but_its_groups(
    store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    await store.add_version(Writer(own_tenant_id), new_version("open", ["salary bands"], seed=1))
    await store.add_version(
        Writer(own_tenant_id), new_version("closed", ["salary list"], acl=("hr",), seed=2)
    )
    visible: dict[tuple[str, ...], int] = {(): 1, ("sales",): 1, ("hr", "sales"): 2}
    for groups, expected in visible.items():
        scope = SearchScope(own_tenant_id, groups=groups)
        assert len((await search.words("salary", scope)).passages) == expected
        assert len((await search.vector(unit_vector(2), scope)).passages) == expected


async def test_a_new_version_never_opens_a_closed_source(
    store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    await store.add_version(Writer(own_tenant_id), new_version("closed", ["salary list"], acl=("hr",)))
    await store.add_version(
        Writer(own_tenant_id, ("hr",)), new_version("closed", ["salary list, new"], acl=None)
    )
    assert (await search.words("salary")).passages == []


async def test_a_source_is_not_changed_by_those_who_may_not_see_it(
    store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    await store.add_version(Writer(own_tenant_id), new_version("closed", ["salary list"], acl=("hr",)))
    stranger = Writer(own_tenant_id, ("sales",))
    with pytest.raises(ConflictError):
        await store.add_version(stranger, new_version("closed", ["hacked"], acl=()))
    known = await store.find(stranger, "closed")
    assert known
    await store.keep(stranger, known, SourceLabels("closed", acl=(), uri="x"))
    assert (known.visible, known.version) == (False, 1)
    assert await search.texts("salary", SearchScope(own_tenant_id, ("hr",))) == ["salary list"]
    assert await search.texts("salary") == []


async def test_ingestions_of_one_source_at_once_become_versions_in_turn(
    store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    texts = [f"wording {number}" for number in range(6)]
    stored = await asyncio.gather(
        *(store.add_version(Writer(own_tenant_id), new_version("same", [text])) for text in texts)
    )
    assert sorted(version.version for version in stored) == [1, 2, 3, 4, 5, 6]
    last = texts[[version.version for version in stored].index(6)]
    assert await search.texts("wording") == [last]


async def test_filters_narrow_both_legs(
    store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    writer = Writer(own_tenant_id)
    await store.add_version(writer, new_version("a", ["blue sky"], metadata={"year": 2025}, seed=1))
    await store.add_version(writer, new_version("b", ["blue sea"], metadata={"year": 2026}, seed=2))
    for year, expected in ((2026, ["blue sea"]), ("2026", [])):
        scope = SearchScope(own_tenant_id, filter=year_is(year))
        assert await search.texts("blue", scope) == expected
        found = await search.vector(unit_vector(1), scope)
        assert [passage.passage.text for passage in found.passages] == expected


def year_is(year: int | str) -> Condition:
    return Condition(MetadataKey("year"), Operator.EQ, (year,))


@pytest.mark.parametrize("method", list(FusionMethod))
async def test_the_database_fuses_as_written_down(
    store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID, method: FusionMethod
) -> None:
    colours = ["red", "green", "blue", "red green", "green blue", "red red blue", "grey", "white"]
    texts = [f"{colours[n % 8]} number{n}" for n in range(40)]
    await store.add_version(Writer(own_tenant_id), new_version("a", texts, language="xx"))
    fusion = Fusion(method, 0.3)
    findings = await search(both_legs("red blue", unit_vector(7), fusion))
    found = findings.passages
    bound = sum(math.log(1 + (40 - df + 0.5) / (df + 0.5)) for df in (15, 15))  # red and blue
    vectors = [tuple(HalfVector(unit_vector(p.passage.chunk_index)).to_list()) for p in found]
    candidates = [
        Candidate(p.vector_rank, p.lexical_rank, p.vector_score, p.lexical_score, vector)
        for p, vector in zip(found, vectors, strict=True)
    ]
    assert sum(p.vector_rank is not None for p in found) == 10
    assert sum(p.lexical_rank is not None for p in found) == 10
    assert all(p.vector_score is not None for p in found), "whichever leg found it"
    assert [p.score for p in found] == pytest.approx(fuse(candidates, fusion, lexical_bound=bound))
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
    assert [p.fused_rank for p in found] == list(range(1, len(found) + 1))


async def test_a_tenant_can_have_a_fusion_and_bm25_of_its_own(
    database: Database, store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    await store.add_version(
        Writer(own_tenant_id), new_version("a", ["red", "red pear"], vectors=[unit_vector(1), unit_vector(2)])
    )
    query = both_legs("red", unit_vector(2), Fusion(FusionMethod.BOUNDED, 0.0))
    assert (await search(query)).passages[0].passage.text == "red"
    async with database.tenant(own_tenant_id) as connection:
        await tenants.set_retrieval(
            connection, own_tenant_id, {"fusion": "convex", "vector_weight": 1.0, "b": 0.0, "k1": 2.0}
        )
    found = (await search(query)).passages
    assert [p.passage.text for p in found] == ["red pear", "red"]
    idf = math.log(1 + (2 - 2 + 0.5) / (2 + 0.5))
    assert [p.lexical_score for p in found] == pytest.approx([idf / (1 + 2.0)] * 2)


async def test_copies_do_not_fill_the_results(
    store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    writer = Writer(own_tenant_id)
    for n in range(5):
        await store.add_version(writer, new_version(f"copy {n}", ["Red  Pear!"], title=f"{n}", seed=10 * n))
    for text, kept in (
        ("red pear!", False),
        ("red pear", True),
        ("Red pear C++", True),
        ("Red pear C#", True),
    ):
        await store.add_version(writer, new_version(text, [text], title=str(kept), seed=len(text) * 50))
    for found in (
        await search(both_legs("red pear", unit_vector(1), Fusion(FusionMethod.BOUNDED, 0.5))),
        await search.words("red pear"),
        await search.vector(unit_vector(1)),
    ):
        texts = sorted(" ".join(p.passage.text.lower().split()) for p in found.passages)
        assert texts == ["red pear", "red pear c#", "red pear c++", "red pear!"]


async def test_of_nearly_the_same_two_stay_so_that_a_contradiction_shows(
    store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    writer = Writer(own_tenant_id)
    base, noise = np.array(unit_vector(1)), np.array(unit_vector(99))
    for n in range(5):
        vector = base + (0.05 + 0.01 * n) * noise
        version = new_version(
            f"v{n}", [f"{n} vacation days"], vectors=[list(vector / np.linalg.norm(vector))]
        )
        await store.add_version(writer, version)
    await store.add_version(writer, new_version("other", ["lunch"], seed=500))
    found = await search(
        both_legs("how many vacation days", unit_vector(1), Fusion(FusionMethod.BOUNDED, 0.5), limit=3)
    )
    assert [p.passage.source_document_id for p in found.passages] == ["v0", "v1", "other"]


async def test_a_filter_far_from_the_question_finds_as_many_as_there_are(
    database: Database, store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    towards = np.array(unit_vector(1))
    rng = np.random.default_rng(0)

    def around(direction: float, count: int) -> list[list[float]]:
        vectors = direction * towards + 0.5 * rng.normal(size=(count, 384)) / np.sqrt(384)
        return [
            list(map(float, vector)) for vector in vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        ]

    writer = Writer(own_tenant_id)
    near = new_version("near", [f"n{n}" for n in range(1500)], metadata={"year": 1}, vectors=around(1, 1500))
    far = new_version(
        "far", [f"f{n}" for n in range(1200)], metadata={"year": 2026}, vectors=around(-1, 1200)
    )
    await store.add_version(writer, near)
    await store.add_version(writer, far)
    scope = SearchScope(own_tenant_id, filter=year_is(2026))
    found = await search.vector(unit_vector(1), scope, limit=10)
    assert not found.plan.exact
    assert len(found.passages) == 10
    assert {p.passage.source_document_id for p in found.passages} == {"far"}


async def test_a_search_can_be_told_to_compare_all(
    store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    texts = [f"heron {n}" for n in range(1300)]
    await store.add_version(Writer(own_tenant_id), new_version("a", texts))
    query = SearchQuery(vector=unit_vector(7), words=analyse("heron"), limit=5)
    assert not (await search(query)).plan.exact
    for vector, words in ((query.vector, query.words), (query.vector, None), (None, query.words)):
        found = await search(replace(query, vector=vector, words=words, exact=True))
        assert found.plan.exact
        assert len(found.passages) == 5
        if vector:
            assert found.passages[0].passage.text == "heron 7"


@pytest.mark.parametrize(
    "garbage",
    [
        {"vector_weight": "abc"},
        {"vector_weight": True, "k1": "", "b": {}},
        {"k1": -1, "b": 0},
        {"vector_weight": 7, "b": -9, "fusion": "magic"},
    ],
)
async def test_settings_that_make_no_sense_do_not_stop_a_search(
    database: Database,
    store: PostgresSourceStore,
    search: Searcher,
    own_tenant_id: UUID,
    garbage: dict[str, object],
) -> None:
    await store.add_version(Writer(own_tenant_id), new_version("a", ["red", "red pear"]))
    async with database.tenant(own_tenant_id) as connection:
        await tenants.set_retrieval(connection, own_tenant_id, garbage)
    found = await search(both_legs("red pear", unit_vector(2), Fusion(FusionMethod.BOUNDED, 0.5)))
    assert len(found.passages) == 2
    assert all(math.isfinite(p.score) and p.score > -1 for p in found.passages)


async def test_a_stored_vector_of_zeros_is_no_match_for_anything(
    store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    vectors = [[0.0] * 384, unit_vector(1)]
    await store.add_version(Writer(own_tenant_id), new_version("a", ["red", "red pear"], vectors=vectors))
    for method in FusionMethod:
        found = await search(both_legs("red pear", unit_vector(1), Fusion(method, 0.5)))
        assert found.passages[0].passage.text == "red pear"
        assert all(math.isfinite(p.score) for p in found.passages)


async def test_what_is_closed_to_the_caller_does_not_show_in_the_plan(
    store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    writer = Writer(own_tenant_id)
    await store.add_version(writer, new_version("open", ["red"]))
    await store.add_version(writer, new_version("closed", ["layoffs at kraken"], acl=("hr",)))
    known, unknown = (await search.words("kraken")).plan, (await search.words("dolphin")).plan
    assert (known.lexemes, unknown.lexemes) == (("kraken",), ("dolphin",))


async def test_a_question_is_analysed_in_each_language_of_the_corpus(
    store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    writer = Writer(own_tenant_id)
    texts = {
        "en": "Employees are carrying over their holidays.",
        "de": "Die Mitarbeiter nahmen ihre Häuser mit.",
        "zh": "公司的年假政策规定每年十五天",
        "th": "นโยบายวันหยุดของบริษัท",
        "pl": "Pracownicy przenoszą urlop",
    }
    for language, text in texts.items():
        await store.add_version(writer, new_version(language, [text], language=language))
    questions = {
        "who carried a holiday?": "en",
        "Welches Haus hat der Mitarbeiter?": "de",
        "年假有几天": "zh",
        "วันหยุด": "th",
        "URLOP": "pl",
    }
    for question, language in questions.items():
        assert await search.texts(question) == [texts[language]], question


async def test_a_stop_word_of_the_question_is_one_in_every_language(
    store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID
) -> None:
    writer = Writer(own_tenant_id)
    await store.add_version(writer, new_version("en", ["Rain falls on the hills."], language="en"))
    await store.add_version(writer, new_version("de", ["Der Film heisst The Of."], language="de"))
    assert await search.texts("what is the rain of the hills") == ["Rain falls on the hills."]


QUESTIONS = {
    "only stop words": "who is the of and",
    "as long as a question may be": "vacation " + "lorem ipsum dolor " * 222,
    "emoji": "🍏🍎 👩‍👩‍👧‍👦",
    "no configuration": "żółw ĝardeno",
    "SQL": "'; DROP TABLE documents; --",
    "tsquery": "vacation & !days | (x <-> y):*A \\",
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
async def test_any_question_is_answered_by_the_vector_leg_at_least(
    store: PostgresSourceStore, search: Searcher, own_tenant_id: UUID, question: str
) -> None:
    await store.add_version(Writer(own_tenant_id), new_version("a", ["Five vacation days.", "Lunch."]))
    found = await search(both_legs(question[:4000], unit_vector(0), Fusion(FusionMethod.BOUNDED, 0.5)))
    assert len(found.passages) == 2
    assert found.passages[0].passage.text == "Five vacation days."


async def test_nothing_is_found_in_an_empty_corpus(search: Searcher) -> None:
    found = await search(both_legs("red", unit_vector(0), Fusion(FusionMethod.BOUNDED, 0.5)))
    assert found.passages == []
    assert (found.plan.corpus, found.plan.exact) == (0, True)
