from rag.parse.dispatch import parse, parse_text
from rag.parse.types import FileType

__all__ = ["FileType", "parse", "parse_text"]
