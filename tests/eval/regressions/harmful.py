"""Ten changes that make answers worse, each of which looks like an improvement or slips in beside one."""

from tests.eval.regressions.changes import Change, Edit, Kind


def _regression(name: str, part: str, *edits: Edit, **settings: str) -> Change:
    return Change(name=name, part=part, kind=Kind.REGRESSION, edits=edits, settings=settings)


REGRESSIONS = (
    _regression(
        "Search without its filter",
        "filters",
        Edit(
            "db/repositories/search.py",
            "first=FILTER_PARAMETER) if scope.filter else None",
            "first=FILTER_PARAMETER) if False else None",
        ),
    ),
    _regression(
        "Return the best passages last",
        "retrieval",
        Edit(
            "db/repositories/search_statement.py",
            "ORDER BY f.score DESC, f.chunk_number",
            "ORDER BY f.score, f.chunk_number",
        ),
    ),
    _regression("Retrieve one passage", "retrieval", TOP_K="1"),
    _regression(
        "Embed titles, not texts",
        "retrieval",
        Edit(
            "rag/embedding_text.py",
            'return f"{prefix}\\n\\n{text}" if prefix else text',
            "return prefix or text",
        ),
    ),
    _regression("Make tiny chunks", "chunking", CHUNK_TOKENS="32", CHUNK_OVERLAP_TOKENS="0"),
    _regression(
        "Leave out each section's last sentence",
        "chunking",
        Edit(
            "rag/chunking/units.py",
            "for first, last in sentence_spans(source.measure.text[start:end]):",
            "for first, last in sentence_spans(source.measure.text[start:end])[:-1]:",
        ),
    ),
    _regression(
        "Cut questions at 40 characters",
        "prompt",
        Edit("rag/prompt.py", "{html.escape(question)}", "{html.escape(question[:40])}"),
    ),
    _regression(
        "Group a document's passages in the prompt alone",
        "citations",
        Edit(
            "graph/nodes/generate.py",
            '[source.passage for source in state.get("sources", [])]',
            'sorted((each.passage for each in state.get("sources", [])), key=lambda passage: passage.title)',
        ),
    ),
    _regression(
        "Answer however unlikely the answer is",
        "abstaining",
        Edit("rag/models/answer_weights.py", "ANSWER_THRESHOLD = 0.2", "ANSWER_THRESHOLD = 0.0"),
    ),
    _regression("Abstain below a cosine of 0.6", "abstaining", RELEVANCE_FLOOR="0.6"),
)
