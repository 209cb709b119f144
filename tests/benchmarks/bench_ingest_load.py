"""How fast chunks with their vectors go in, with all indexes, beside other systems on the same server.

The AWS guides' chunks, repeated with a mark of their own until there are as many as asked for (argument
`CHUNKS` in the environment; 100,000 by default). Ours go in document by document, as ingestion stores them:
under row-level security, with BM25, the HNSW index and the statistics kept in step, each commit on disk: what
is in can be found. The peers load in batches, as many at a time, in two ways: into tables whose indexes are
there, as in ours, and building their indexes at the end, until when nothing in them can be searched.

Two parts of the work are timed by themselves, on the same rows: the text analysis that BM25 needs, shared by
all cores, and building our HNSW index at once with all cores. Nothing that has these two can be faster.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from db.addresses import DatabaseLogins
from db.bootstrap import prepare
from db.embedded import embedded_postgres
from db.embedding_spaces import ensure_embedding_space
from db.migrate import migrate
from db.pool import connect, open_database
from db.repositories import tenants
from db.repositories.spaces import Space
from db.stores import PostgresSourceStore
from rag.documents import Chunk
from rag.models.local import LOCAL_EMBEDDINGS
from rag.ports import NewVersion, SourceLabels, Writer
from tests.benchmarks.corpus_vectors import AwsChunk, load_aws_chunks, load_vectors
from tests.benchmarks.peers.run import BUILD_MEMORY, PEERS, load_peer, run_peer
from tests.benchmarks.peers.shell import Corpus, write_corpus
from tests.benchmarks.report import BenchmarkRow, at_least, for_information

CHUNKS = int(os.environ.get("CHUNKS", "100000"))
WRITERS = 4  # at a time: one waits for the disk while another computes
ANALYSE = "SELECT sum(length(to_tsvector('english', text))) FROM documents"
VECTOR_INDEX = "SELECT indexname FROM pg_indexes WHERE indexname LIKE 'chunk_embeddings_space_%'"
NOISE = 0.02  # of a repeated chunk's vector, so that no two are the same

Vectors = NDArray[np.float32]


def run() -> list[BenchmarkRow]:
    chunks, vectors = _corpus()
    with tempfile.TemporaryDirectory() as temporary:
        Path(temporary).chmod(0o755)
        return asyncio.run(_compare(Path(temporary), chunks, vectors))


def _corpus() -> tuple[list[AwsChunk], Vectors]:
    originals = load_aws_chunks()
    known = load_vectors([chunk.text for chunk in originals])
    rng = np.random.default_rng(0)
    chunks, parts = [], []
    for turn in range(-(-CHUNKS // len(originals))):
        chunks += [
            AwsChunk(f"{turn}/{c.document_id}", c.title, c.heading_path, f"{c.text}\nCopy {turn}.")
            for c in originals
        ]
        noisy = known + rng.normal(size=known.shape).astype(np.float32) * NOISE
        parts.append(noisy / np.linalg.norm(noisy, axis=1, keepdims=True))
    return chunks[:CHUNKS], np.concatenate(parts)[:CHUNKS].astype(np.float32)


async def _compare(folder: Path, chunks: list[AwsChunk], vectors: Vectors) -> list[BenchmarkRow]:
    texts = [" ".join([chunk.title, *chunk.heading_path, chunk.text]) for chunk in chunks]
    write_corpus(folder / "corpus", Corpus(texts, vectors, texts[:1], vectors[:1]))
    async with embedded_postgres(folder / "postgres") as address:
        logins = await prepare(address, database="ours")
        tenant_id, ours = await _ours(logins, chunks, vectors)
        least = await _least_seconds(logins, tenant_id)
        indexed, built = {}, {}
        for peer in PEERS:
            place = (peer, address.admin_dsn(), folder / "corpus")
            indexed[peer] = await asyncio.to_thread(load_peer, *place)
            built[peer] = (await asyncio.to_thread(run_peer, *place)).rows_per_second
    return [
        for_information("chunks", len(chunks)),
        for_information("ours", ours, "/s"),
        *(for_information(f"{peer}, indexes there", rate, "/s") for peer, rate in indexed.items()),
        *(for_information(f"{peer}, indexes at the end", rate, "/s") for peer, rate in built.items()),
        for_information("text analysis and HNSW build alone", len(chunks) / least, "/s"),
        for_information(
            "… over the fastest peer, indexes at the end", len(chunks) / least / max(built.values())
        ),
        at_least("ours over the fastest peer, indexes there", ours / max(indexed.values()), 2),
        at_least("ours over the fastest peer, indexes at the end", ours / max(built.values()), 2),
    ]


async def _ours(logins: DatabaseLogins, chunks: Sequence[AwsChunk], vectors: Vectors) -> tuple[UUID, float]:
    await migrate(logins.owner)
    space_id = await ensure_embedding_space(logins.owner, model=LOCAL_EMBEDDINGS, dimensions=384)
    versions = list(_versions(chunks, vectors))
    async with open_database(logins, app_connections=WRITERS) as database:
        async with database.system() as connection:
            tenant = await tenants.ensure(connection, slug="default", name="Default")
        store = PostgresSourceStore(database, Space(space_id, LOCAL_EMBEDDINGS, 384))

        async def write() -> None:
            while versions:
                await store.add_version(Writer(tenant.id), versions.pop())

        began = time.perf_counter()
        await asyncio.gather(*(write() for _ in range(WRITERS)))
        return tenant.id, len(chunks) / (time.perf_counter() - began)


async def _least_seconds(logins: DatabaseLogins, tenant_id: UUID) -> float:
    """For the rows that are stored: analysing their texts, and building their HNSW index."""
    owner = await connect(logins.owner)
    try:
        await owner.execute("SELECT set_config('app.tenant_id', $1, false)", str(tenant_id))
        await owner.execute(
            f"SET max_parallel_workers_per_gather = 0; SET maintenance_work_mem = '{BUILD_MEMORY}'"
        )
        began = time.perf_counter()
        await owner.fetchval(ANALYSE)
        analysed = time.perf_counter()
        await owner.execute(f"REINDEX INDEX {await owner.fetchval(VECTOR_INDEX)}")
        return (analysed - began) / (os.cpu_count() or 1) + time.perf_counter() - analysed
    finally:
        await owner.close()


def _versions(chunks: Sequence[AwsChunk], vectors: Vectors) -> list[NewVersion]:
    versions: list[NewVersion] = []
    for name, members in groupby(enumerate(chunks), key=lambda item: item[1].document_id):
        rows, parts = zip(*members, strict=True)
        versions.append(_version(name, parts, vectors[list(rows)]))
    return versions


def _version(name: str, parts: Sequence[AwsChunk], vectors: Vectors) -> NewVersion:
    chunks, at = [], 0
    for index, part in enumerate(parts):
        end = at + len(part.text)
        chunks.append(Chunk(index, part.text, at, end, len(part.text) // 4, part.heading_path))
        at = end + 1
    text = "\n".join(part.text for part in parts)
    return NewVersion(
        labels=SourceLabels(name),
        title=parts[0].title,
        mime_type="text/markdown",
        content_sha256=sha256(text.encode()).digest(),
        reading_sha256=sha256(name.encode()).digest(),
        byte_size=len(text.encode()),
        text=text,
        chunks=tuple(chunks),
        text_digests=tuple(sha256(part.text.encode()).digest() for part in parts),
        vectors=tuple(vectors.tolist()),
        language="en",
        languages=("en",) * len(parts),
    )
