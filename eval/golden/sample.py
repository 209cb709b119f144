"""Which chunks questions are made from: spread over the documents, by chance, the same for the same seed."""

import hashlib
import random
from collections.abc import Sequence

from db.repositories.golden_set import ChunkPlace


def sample_chunks(places: Sequence[ChunkPlace], *, seed: int, per_document: int) -> list[ChunkPlace]:
    """At most `per_document` chunks of each document; one of every document before a second of any.

    The order hangs on names and positions alone, not on ids, so that it is the same where the same documents
    were taken in anew.
    """
    chunks: dict[str, list[ChunkPlace]] = {}
    for place in sorted(places, key=lambda each: (each.source_document_id, each.chunk_index)):
        chunks.setdefault(place.source_document_id, []).append(place)
    chance = random.Random(seed)  # noqa: S311 - a sample, not a secret
    chosen = [chance.sample(of_one, min(per_document, len(of_one))) for of_one in chunks.values()]
    chance.shuffle(chosen)
    return [of_one[turn] for turn in range(per_document) for of_one in chosen if turn < len(of_one)]


def fingerprint(places: Sequence[ChunkPlace]) -> str:
    """SHA-256 of the chunks' ids, in their order: another one when a document has changed."""
    return hashlib.sha256(b"".join(place.chunk_id.bytes for place in places)).hexdigest()
