"""Hybrid search as one statement: both legs, their fusion, and the choice between exact and index scan.

The statement is put together from the named parts below, by what the search needs: a leg, a filter. Its
text depends on nothing else, so that it is prepared once for each connection and shape. Values are
parameters; only identifiers and numbers of our own (space, dimensions) are formatted in.

How a search goes:

1. `few` has the chunks in scope, up to a limit. Below it, all of them are compared (exact); above it, the
   HNSW index is scanned, going on until enough chunks in scope were found, and the postings are pruned.
2. The lexical leg reads each word's best postings, rare words whole, until its budget is spent; the chunks
   that gather most impact are its candidates.
3. Every candidate of either leg gets its exact BM25 score and its exact cosine similarity, whichever leg
   brought it. Ranks and fusion follow from those.
"""

from dataclasses import asdict, dataclass
from functools import lru_cache

from rag.fuse import FEEDBACK, RANK_CONSTANT

# BM25's parameters where the tenant has set none; Lucene's defaults.
K1 = 1.2
B = 0.75
# Of a long question only the rarest words are looked up.
WORDS = 64
# An index scan under a filter visits about `candidates * corpus / matches` chunks, an exact scan `matches`.
# They cost the same where matches = sqrt(ROUTE * candidates * corpus). Measured, see docs/benchmarks.md.
ROUTE = 8.0

# Cosine distance up to which two chunks say nearly the same; MiniLM's between two that differ in a number is
# 0.003 to 0.02. So many of them stay; chunks are compared up to so many places for each result wanted.
NEAR_DUPLICATE = 0.02
NEAR_KEPT = 2
NEAR_PLACES = 4

FILTER_PARAMETER = 9  # the first that belongs to the filter

# Parameters: $1 tenant, $2 readers, $3 vector, $4 words, $5 candidates, $6 limit, $7 fusion, $8 its weight.
CORPUS = """
corpus AS MATERIALIZED (
    SELECT coalesce(sum(chunk_count), 0)::bigint AS size,
           coalesce(sum(lexeme_total)::float8 / nullif(sum(chunk_count), 0), 1) AS average_length,
           EXISTS (SELECT FROM source_readers WHERE tenant_id = $1 AND reader > '') AS restricted
    FROM lexical_statistics WHERE tenant_id = $1
), tuning AS MATERIALIZED (
    SELECT greatest(coalesce(k1, %(k1)s), 0.01) AS k1, least(greatest(coalesce(b, %(b)s), 0), 1) AS b,
           CASE WHEN fusion IN ('rrf', 'convex', 'bounded') THEN fusion ELSE $7::text END AS fusion,
           least(greatest(coalesce(vector_weight, $8::float8), 0), 1) AS vector_weight
    FROM tenants
    CROSS JOIN LATERAL (
        SELECT settings #>> '{retrieval,fusion}' AS fusion, %(numbers)s
    ) own
    WHERE id = $1
)
"""
# What is no number counts as not set.
NUMBER = """
CASE WHEN jsonb_typeof(settings #> '{{retrieval,{name}}}') = 'number'
    THEN (settings #>> '{{retrieval,{name}}}')::float8 END AS {name}
"""
NUMBERS = ", ".join(NUMBER.format(name=name) for name in ("k1", "b", "vector_weight"))
# All chunks in scope, up to one more than are worth comparing one by one. Not counted when the scope is
# simply the whole of a large corpus, nor when it has more sources than usually hold so many chunks (`broad`):
# looking at the sources alone takes a tenth of the time, and near the limit both routes cost the same.
FEW = """
exact_limit AS MATERIALIZED (
    SELECT %(exact_limit)s AS chunks
    FROM corpus CROSS JOIN pg_class WHERE oid = 'chunk_embeddings'::regclass
), source_limit AS MATERIALIZED (
    SELECT %(source_limit)s AS sources FROM exact_limit
), sources_in_scope AS MATERIALIZED (
    SELECT m.source_id FROM (%(driver)s) m WHERE %(counted)s AND %(condition)s
    LIMIT (SELECT sources + 1 FROM source_limit)
), broad AS MATERIALIZED (
    SELECT coalesce(count(*) > (SELECT sources FROM source_limit), false) AS yes FROM sources_in_scope
), few AS MATERIALIZED (
    SELECT t.chunk_number
    FROM sources_in_scope m
    CROSS JOIN LATERAL (
        SELECT chunk_number FROM chunk_terms WHERE tenant_id = $1 AND source_id = m.source_id OFFSET 0
    ) t
    WHERE NOT (SELECT yes FROM broad)
    LIMIT (SELECT chunks + 1 FROM exact_limit)
), route AS MATERIALIZED (
    SELECT %(counted)s AS counted, chunks AS exact_limit,
           CASE WHEN broad.yes THEN chunks + 1 ELSE (SELECT count(*) FROM few) END AS matches,
           %(counted)s AND NOT broad.yes AND (SELECT count(*) FROM few) <= chunks AS exact
    FROM exact_limit CROSS JOIN broad
)
"""
# Of all tenants, as of the last analysis; without one there is no limit.
SOURCES_OF_SO_MANY = """
(
    SELECT ceil(chunks * s.reltuples / c.reltuples)::bigint FROM pg_class s, pg_class c
    WHERE s.oid = 'source_documents'::regclass AND s.reltuples > 0
      AND c.oid = 'chunk_terms'::regclass AND c.reltuples > 0
)
"""
ANY_SOURCES = "NULL::bigint"
WORTH_COMPARING = f"ceil(sqrt({ROUTE} * $5::float8 * greatest(reltuples, size)))::bigint"
ALL_CHUNKS = "size"
ALL_READABLE = "SELECT source_id FROM source_readers WHERE tenant_id = $1 AND reader = ANY ($2::text[])"
NARROWED_BY_READERS = """
(SELECT restricted OR size <= chunks FROM corpus CROSS JOIN exact_limit)
"""
# A scalar subselect stays a look-up for each row; an EXISTS may become a scan of every reader.
READABLE = """
(NOT (SELECT restricted FROM corpus) OR coalesce((
    SELECT true FROM source_readers r
    WHERE r.source_id = m.source_id AND r.tenant_id = $1 AND r.reader = ANY ($2::text[]) LIMIT 1
), false))
"""
# The question's words, analysed in each language of the corpus. A stop word of the language in which most
# of them are stop words, the question's own, is one in all: "the" is a rare word in German.
LEXEMES = """
analysed AS MATERIALIZED (
    SELECT s.configuration, s.chunk_count, w.word,
           tsvector_to_array(to_tsvector(s.configuration::regconfig, w.word)) AS lexemes
    FROM lexical_statistics s CROSS JOIN (SELECT DISTINCT unnest(string_to_array($4::text, ' ')) AS word) w
    WHERE s.tenant_id = $1
), spoken AS (
    SELECT configuration FROM analysed
    GROUP BY configuration
    ORDER BY count(*) FILTER (WHERE lexemes = '{}') DESC, max(chunk_count) DESC, configuration LIMIT 1
), wanted AS MATERIALIZED (
    SELECT DISTINCT unnest(lexemes) COLLATE "C" AS lexeme FROM analysed
    WHERE word NOT IN (SELECT word FROM analysed JOIN spoken USING (configuration) WHERE lexemes = '{}')
), lexeme AS MATERIALIZED (
    SELECT l.lexeme, l.number, l.chunk_count,
           ln(1 + ((SELECT size FROM corpus) - l.chunk_count + 0.5::float8)
                / (l.chunk_count + 0.5::float8)) AS idf
    FROM lexemes l
    WHERE l.tenant_id = $1 AND l.lexeme = ANY (ARRAY(SELECT lexeme FROM wanted))
    ORDER BY l.chunk_count, l.number
    LIMIT %(words)s
), lexical_bound AS MATERIALIZED (
    SELECT coalesce(max(total), 0) AS total FROM (
        SELECT sum(lexeme.idf) AS total
        FROM (SELECT DISTINCT configuration, unnest(lexemes) COLLATE "C" AS lexeme FROM analysed) a
        JOIN lexeme USING (lexeme)
        GROUP BY configuration
    ) t
)
"""
# Each word's share is the water level at which min(postings, level), summed over the words, is the budget.
POSTING_HITS = """
budget AS MATERIALIZED (
    SELECT ceil(%(postings)s * sqrt(size))::bigint AS postings,
           greatest(%(min_scored)s, ceil(%(scored)s * sqrt(size)))::bigint AS scored,
           %(filtered)s OR restricted AS narrowed
    FROM corpus
), budgeted AS MATERIALIZED (
    SELECT number, weight, max(((SELECT postings FROM budget) - fewer) / remaining) OVER () AS share
    FROM (
        SELECT number, (100 * idf)::integer AS weight,
               coalesce(sum(chunk_count) OVER (
                   ORDER BY chunk_count, number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
               ), 0) AS fewer,
               count(*) OVER () - row_number() OVER (ORDER BY chunk_count, number) + 1 AS remaining
        FROM lexeme
    ) l
), hits AS (
    SELECT p.chunk_number, sum(b.weight * p.impact) AS impact
    FROM budgeted b
    CROSS JOIN LATERAL (
        SELECT chunk_number, impact FROM postings
        WHERE tenant_id = $1 AND lexeme_number = b.number
        ORDER BY impact DESC, chunk_number DESC
        LIMIT b.share
    ) p
    WHERE NOT (SELECT exact FROM route)
    GROUP BY p.chunk_number
    ORDER BY impact DESC, p.chunk_number
    LIMIT (SELECT CASE WHEN narrowed THEN NULL ELSE scored END FROM budget)
), lexical AS MATERIALIZED (
    SELECT chunk_number FROM hits WHERE NOT (SELECT narrowed FROM budget)
    UNION ALL
    (
        SELECT h.chunk_number FROM hits h
        CROSS JOIN LATERAL (
            SELECT t.source_id FROM chunk_terms t
            WHERE t.chunk_number = h.chunk_number AND t.tenant_id = $1 OFFSET 0
        ) m
        WHERE (SELECT narrowed FROM budget) AND %(in_scope)s
        LIMIT (SELECT scored FROM budget)
    )
    UNION ALL
    SELECT chunk_number FROM few WHERE (SELECT exact FROM route)
)
"""
VECTOR = """
nearest AS MATERIALIZED (
    (
        SELECT e.chunk_number,
               e.embedding::halfvec(%(dimensions)s) <=> $3::halfvec(%(dimensions)s) AS distance
        FROM (SELECT DISTINCT chunk_number FROM few) f
        JOIN chunk_embeddings e USING (chunk_number)
        WHERE e.tenant_id = $1 AND e.space_id = %(space)s AND (SELECT exact FROM route)
        ORDER BY distance, e.chunk_number LIMIT $5
    )
    UNION ALL
    (
        SELECT m.chunk_number,
               m.embedding::halfvec(%(dimensions)s) <=> $3::halfvec(%(dimensions)s) AS distance
        FROM chunk_embeddings m
        WHERE m.tenant_id = $1 AND m.space_id = %(space)s AND NOT (SELECT exact FROM route)
              AND %(in_scope)s
        ORDER BY m.embedding::halfvec(%(dimensions)s) <=> $3::halfvec(%(dimensions)s) LIMIT $5
    )
)
"""
# BM25 as Lucene scores it: idf = ln(1 + (N - df + 0.5) / (df + 0.5)), times
# tf / (tf + k1 * (1 - b + b * length / average length)), summed over the question's words. N, df and the
# average are the tenant's, whatever the filter. A chunk's lexemes are in order, so that the place of a number
# among them, the bucket that it falls into, is found by halving.
BM25 = """
(
    SELECT sum(w.idf * t.frequencies[f.place]
               / (t.frequencies[f.place]
                  + tuning.k1 * (1 - tuning.b + tuning.b * t.length / corpus.average_length)))
    FROM lexeme w
    CROSS JOIN LATERAL (SELECT width_bucket(w.number, t.lexemes) AS place OFFSET 0) f
    WHERE t.lexemes[f.place] = w.number
)
"""
# A vector of zeros has no angle to any other: NaN, which would sort before all numbers.
SIMILARITY = "v.vector, nullif(1 - (v.vector <=> $3::halfvec(%(dimensions)s)), 'NaN') AS similarity"
VECTORS = """
LEFT JOIN LATERAL (
    SELECT e.embedding::halfvec(%(dimensions)s) AS vector FROM chunk_embeddings e
    WHERE e.tenant_id = $1 AND e.chunk_number = c.chunk_number AND e.space_id = %(space)s OFFSET 0
) v ON true
"""
NO_SIMILARITY = "NULL::float8 AS similarity"
RANKED = """
pool AS (
    SELECT chunk_number, min(distance) AS distance FROM (%(pool)s) p GROUP BY chunk_number
), scored AS MATERIALIZED (
    SELECT c.chunk_number, c.distance, t.fingerprint, s.bm25,
           CASE WHEN s.bm25 > 0 THEN
               row_number() OVER (ORDER BY s.bm25 DESC NULLS LAST, c.chunk_number) END AS lexical_rank,
           CASE WHEN c.distance IS NOT NULL THEN
               row_number() OVER (ORDER BY c.distance, c.chunk_number) END AS vector_rank
    FROM pool c
    CROSS JOIN corpus CROSS JOIN tuning
    CROSS JOIN LATERAL (
        SELECT length, lexemes, frequencies, fingerprint FROM chunk_terms
        WHERE chunk_number = c.chunk_number AND tenant_id = $1 OFFSET 0
    ) t
    CROSS JOIN LATERAL (SELECT %(bm25)s AS bm25 OFFSET 0) s
), candidates AS MATERIALIZED (
    SELECT c.chunk_number, c.fingerprint, c.bm25, c.vector_rank,
           CASE WHEN c.lexical_rank <= $5 THEN c.lexical_rank END AS lexical_rank, %(similarity)s
    FROM scored c %(vectors)s
    WHERE c.lexical_rank <= $5 OR c.vector_rank IS NOT NULL
)
"""
# `rag.fuse` says what these compute. The cosine to the question moved towards the best candidate follows from
# the cosines to either.
FUSED = """
first AS MATERIALIZED (
    SELECT c.vector, sqrt(1 + %(feedback)s ^ 2 + 2 * %(feedback)s * c.similarity) AS moved_length
    FROM candidates c CROSS JOIN tuning CROSS JOIN lexical_bound
    WHERE tuning.fusion = 'bounded'
    ORDER BY %(bounded)s DESC, c.chunk_number LIMIT 1
), ranked AS MATERIALIZED (
    SELECT c.*, CASE tuning.fusion
        WHEN 'rrf' THEN coalesce(vector_weight / (%(rank_constant)s + vector_rank), 0)
            + coalesce((1 - vector_weight) / (%(rank_constant)s + lexical_rank), 0)
        WHEN 'convex' THEN
            vector_weight * coalesce((similarity - min(similarity) OVER ())
                / nullif(max(similarity) OVER () - min(similarity) OVER (), 0), 0)
            + (1 - vector_weight) * coalesce((words - min(words) OVER ())
                / nullif(max(words) OVER () - min(words) OVER (), 0), 0)
        ELSE %(bounded_moved)s
        END AS score
    FROM candidates c
    CROSS JOIN LATERAL (SELECT coalesce(c.bm25, 0) AS words) w
    CROSS JOIN tuning CROSS JOIN lexical_bound
    LEFT JOIN first ON true
    CROSS JOIN LATERAL (
        SELECT CASE WHEN first.moved_length IS NULL THEN c.similarity
               ELSE (c.similarity + %(feedback)s * (1 - (c.vector <=> first.vector))) / first.moved_length
               END AS moved
    ) m
)
"""
BOUNDED = """
(
    vector_weight * coalesce({cosine}, min({cosine}) OVER (), 0)
    + (1 - vector_weight) * coalesce(c.bm25 / nullif(lexical_bound.total, 0), 0)
)
"""
ONE_LEG = (
    "ranked AS MATERIALIZED (SELECT c.*, %(score)s AS score FROM candidates c WHERE %(score)s IS NOT NULL)"
)
# Of chunks with the same text the best one stays. Vectors next to each other may still differ in the one word
# or number that matters, so two of those stay: they don't fill the results, and a contradiction shows. Places
# that matter only where nearly all else was left out fill up the results as they are. They are looked at in
# order, and no further than the last that is wanted.
DISTINCT = """
placed AS MATERIALIZED (
    SELECT r.*, row_number() OVER (ORDER BY score DESC, chunk_number) AS place,
           row_number() OVER (PARTITION BY fingerprint ORDER BY score DESC, chunk_number) AS copy
    FROM ranked r
), fused AS MATERIALIZED (
    SELECT * FROM (SELECT * FROM placed ORDER BY place OFFSET 0) p
    WHERE copy = 1 AND (place > %(near_places)s * $6 OR %(near)s < %(near_kept)s)
    ORDER BY place
    LIMIT $6
)
"""
NEAR = f"better.vector <=> p.vector <= {NEAR_DUPLICATE}"
# Counted no further than it matters.
BETTER_AND_NEAR = f"""
(SELECT count(*) FROM (
    SELECT FROM placed better
    WHERE better.place < p.place AND better.copy = 1 AND {NEAR}
    LIMIT {NEAR_KEPT}
) near)
"""
# The words as they were looked up, found or not: what is known would tell of documents closed to the caller.
WANTED = "ARRAY(SELECT lexeme FROM wanted ORDER BY lexeme)"
# The plan stands in every row, and in one without a passage when nothing was found.
FOUND = """
SELECT route.exact, CASE WHEN route.counted THEN route.matches END AS matches, route.exact_limit,
       corpus.size AS corpus, %(lexemes)s AS lexemes,
       f.score, f.vector_rank, f.lexical_rank, f.similarity AS vector_score, f.bm25 AS lexical_score, p.*
FROM route CROSS JOIN corpus
LEFT JOIN fused f ON true
LEFT JOIN LATERAL (
    SELECT d.id AS chunk_id, s.id AS document_id, s.source_document_id, d.version, s.title, s.uri, d.text,
           d.start_char AS start, d.end_char AS "end", d.page, d.heading_path, d.chunk_index, d.token_count,
           s.metadata
    FROM documents d JOIN source_documents s ON s.id = d.source_id
    WHERE d.number = f.chunk_number OFFSET 0
) p ON true
ORDER BY f.score DESC, f.chunk_number
"""
# Gives the parameters a type in statements that do without them.
PARAMETERS = "parameters AS (SELECT $3::halfvec(%(dimensions)s), $4::text, $7::text, $8::float8)"


@dataclass(frozen=True, slots=True)
class Pruning:
    """What the lexical leg does for a question.

    Attributes:
        postings: Postings that it reads, times the square root of the number of chunks.
        scored: Chunks that it scores exactly out of those that the postings gave, times the same.
        min_scored: The least of those.
    """

    postings: float
    scored: float
    min_scored: int


# Alone, it finds 97 to 99 % of the ten best chunks of an exhaustive scan. Beside a vector leg, whose
# candidates get exact scores too, half the work gives 99 % of the fused ten. See docs/benchmarks.md.
ALONE = Pruning(postings=42, scored=0.5, min_scored=100)
BESIDE_VECTORS = Pruning(postings=20, scored=0.3, min_scored=60)


@dataclass(frozen=True, slots=True)
class Shape:
    """All that a statement's text depends on."""

    vector: bool
    lexical: bool
    space_id: int
    dimensions: int
    driver: str | None
    remainder: str
    condition: str | None
    exact: bool = False


@lru_cache(maxsize=256)  # as many filter shapes as one service is likely to see
def build_statement(shape: Shape) -> str:
    """The statement for searches of one shape."""
    condition = f"({shape.condition})" if shape.condition else "true"
    filtered = "true" if shape.condition else "false"
    numbers = {"space": shape.space_id, "dimensions": shape.dimensions}
    in_scope = f"{READABLE} AND {condition}"
    parts = [
        CORPUS % {"k1": K1, "b": B, "numbers": NUMBERS},
        FEW
        % {
            "exact_limit": ALL_CHUNKS if shape.exact else WORTH_COMPARING,
            "source_limit": ANY_SOURCES if shape.exact else SOURCES_OF_SO_MANY,
            "driver": shape.driver or ALL_READABLE,
            "counted": "true" if shape.condition or shape.exact else NARROWED_BY_READERS,
            "condition": f"{READABLE} AND {shape.remainder}" if shape.driver else condition,
        },
        PARAMETERS % numbers,
    ]
    pools = []
    if shape.lexical:
        parts.append(LEXEMES % {"words": WORDS})
        parts.append(
            POSTING_HITS
            % {
                **asdict(BESIDE_VECTORS if shape.vector else ALONE),
                "filtered": filtered,
                "in_scope": in_scope,
            }
        )
        pools.append("SELECT chunk_number, NULL::float8 AS distance FROM lexical")
    if shape.vector:
        parts.append(VECTOR % (numbers | {"in_scope": in_scope}))
        pools.append("SELECT chunk_number, distance FROM nearest")
    parts.append(
        RANKED
        % {
            "pool": " UNION ALL ".join(pools),
            "bm25": BM25 if shape.lexical else "NULL::float8",
            "similarity": SIMILARITY % numbers if shape.vector else NO_SIMILARITY,
            "vectors": VECTORS % numbers if shape.vector else "",
        }
    )
    parts.append(_ranking(shape))
    near = BETTER_AND_NEAR if shape.vector else "0"
    parts.append(DISTINCT % {"near": near, "near_kept": NEAR_KEPT, "near_places": NEAR_PLACES})
    lexemes = WANTED if shape.lexical else "'{}'::text[]"
    return "WITH " + ", ".join(parts) + FOUND % {"lexemes": lexemes}


def _ranking(shape: Shape) -> str:
    if not shape.lexical:
        return ONE_LEG % {"score": "similarity"}
    if not shape.vector:
        return ONE_LEG % {"score": "bm25"}
    return FUSED % {
        "rank_constant": RANK_CONSTANT,
        "feedback": FEEDBACK,
        "bounded": BOUNDED.format(cosine="c.similarity"),
        "bounded_moved": BOUNDED.format(cosine="m.moved"),
    }
