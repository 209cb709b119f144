"""What of a chunk is embedded: its place in the document, then its text."""

from collections.abc import Sequence

from rag.tokens import Tokenizer

PREFIX_TOKENS = 24  # of the 256 that the smallest embedder reads; 220 for text, 2 special, 10 to spare
SPECIAL_TOKENS = 2  # [CLS] and [SEP]
_SEPARATOR = " > "


def embedding_text(
    title: str | None,
    heading_path: tuple[str, ...],
    text: str,
    *,
    tokenizer: Tokenizer,
    prefix_tokens: int = PREFIX_TOKENS,
) -> str:
    """`Title > Heading > Subheading`, a blank line, and the chunk's text.

    The prefix has at most `prefix_tokens` tokens. A longer one loses its outer parts first; a single
    heading that is too long keeps its beginning.
    """
    prefix = heading_prefix(title, heading_path, tokenizer=tokenizer, max_tokens=prefix_tokens)
    return f"{prefix}\n\n{text}" if prefix else text


def heading_prefix(
    title: str | None, heading_path: tuple[str, ...], *, tokenizer: Tokenizer, max_tokens: int = PREFIX_TOKENS
) -> str:
    """The first line of `embedding_text`; empty when there is neither title nor heading."""
    parts: list[str] = []
    for raw in (title or "", *heading_path):
        part = " ".join(raw.split())
        if part and (not parts or part.casefold() != parts[-1].casefold()):  # the title is often heading 1
            parts.append(part)
    while True:
        prefix = _SEPARATOR.join(parts)
        spans = tokenizer.token_spans(prefix)
        if len(spans) <= max_tokens:
            return prefix
        if len(parts) == 1:
            return _beginning(prefix, spans, tokenizer, max_tokens)
        parts.pop(0)


def text_budget(limit: int, *, prefix_tokens: int = PREFIX_TOKENS) -> int:
    """Tokens left for a chunk's text when the embedder reads `limit`, special tokens included."""
    return limit - prefix_tokens - SPECIAL_TOKENS


def _beginning(text: str, spans: Sequence[tuple[int, int]], tokenizer: Tokenizer, max_tokens: int) -> str:
    """As many whole words of `text`, of those tokens, as fit; part of a word when not even one does."""
    while len(spans) > max_tokens:
        cut = text[: spans[max_tokens][0]]
        words = cut.rstrip().rpartition(" ")[0] if not text[len(cut) - 1].isspace() else cut
        text = (words or cut[: len(cut) - 1]).rstrip()
        spans = tokenizer.token_spans(text)
    return text
