from rag.chunking.chunk import automatic_strategy, chunk_document
from rag.chunking.strategy import ChunkStrategy
from rag.chunking.tables import repeat_table_headers

__all__ = ["ChunkStrategy", "automatic_strategy", "chunk_document", "repeat_table_headers"]
