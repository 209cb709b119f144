"""Ten changes that a reviewer would wave through, and that the gate should, too."""

from tests.eval.regressions.changes import Change, Edit, Kind


def _refactoring(name: str, part: str, *edits: Edit, **settings: str) -> Change:
    return Change(name=name, part=part, kind=Kind.REFACTORING, edits=edits, settings=settings)


_FILL_LOOP = """    chosen: list[RetrievedPassage] = []
    left = budget
    for passage in passages:
        cost = passage.passage.token_count + SOURCE_OVERHEAD
        if not chosen or cost <= left:
            chosen.append(passage)
            left -= cost
    return chosen
"""
_FILL_BY_HELPER = """    kept: list[RetrievedPassage] = []
    used = 0
    for candidate in passages:
        needed = _cost(candidate)
        if kept and used + needed > budget:
            continue
        kept.append(candidate)
        used += needed
    return kept


def _cost(found: RetrievedPassage) -> int:
    return SOURCE_OVERHEAD + found.passage.token_count
"""
_SUPPORT = """    wanted = set(content_words(statement))
    found = set(content_words(passage))
    if not wanted or any(word.isdigit() and word not in found for word in wanted):
        return 0.0
    return len(wanted & found) / len(wanted)
"""
_SUPPORT_BY_MISSING = """    claimed = frozenset(content_words(statement))
    if not claimed:
        return 0.0
    missing = claimed - frozenset(content_words(passage))
    has_numbers = not any(map(str.isdigit, missing))
    return (len(claimed) - len(missing)) / len(claimed) if has_numbers else 0.0
"""
_RENDER = """_render_source(number, passage) for number, passage in enumerate(passages, start=1))
    human = f"<sources>\\n{sources}\\n</sources>\\n\\n<question>\\n{html.escape(question)}\\n</question>"
    return [SystemMessage(prompt.text), HumanMessage(human)]
"""
_RENDER_BY_LINES = """_render_source(at + 1, passage) for at, passage in enumerate(passages))
    lines = ["<sources>", sources, "</sources>", "", "<question>", html.escape(question), "</question>"]
    system = SystemMessage(prompt.text)
    return [system, HumanMessage("\\n".join(lines))]
"""
_ALL = """    drivers = [(part, part.driver) for part in parts if part.driver]
    if not drivers:
        return _Part(condition)
    driven, driver = min(drivers, key=lambda pair: pair[1].breadth)
"""
_ALL_BY_LOOP = """    driven, driver = None, None
    for part in parts:
        if part.driver and (driver is None or part.driver.breadth < driver.breadth):
            driven, driver = part, part.driver
    if driver is None:
        return _Part(condition)
"""

REFACTORINGS = (
    _refactoring(
        "Fill the budget with a helper",
        "prompt",
        Edit("rag/assemble.py", _FILL_LOOP, _FILL_BY_HELPER),
    ),
    _refactoring(
        "Look for the narrowest driver in one pass",
        "filters",
        Edit("db/repositories/filters.py", _ALL, _ALL_BY_LOOP),
    ),
    _refactoring(
        "Look at more candidates",
        "retrieval",
        Edit("rag/retrieve.py", "CANDIDATES = 50", "CANDIDATES = 60"),
    ),
    _refactoring(
        "Rename a part of the search statement",
        "retrieval",
        Edit(
            "db/repositories/search_statement.py", "), fused AS MATERIALIZED (", "), best AS MATERIALIZED ("
        ),
        Edit("db/repositories/search_statement.py", "LEFT JOIN fused f ON true", "LEFT JOIN best f ON true"),
    ),
    _refactoring(
        "Count the missing words",
        "citations",
        Edit("rag/cite.py", _SUPPORT, _SUPPORT_BY_MISSING),
    ),
    _refactoring(
        "Write the prompt line by line",
        "prompt",
        Edit("rag/prompt.py", _RENDER, _RENDER_BY_LINES),
    ),
    _refactoring(
        "Sum tokens once",
        "chunking",
        Edit(
            "rag/chunking/packing.py",
            "        self._max_characters = max_characters\n",
            "        self._max_characters = max_characters\n"
            "        self._sums = [0]\n"
            "        for unit in units:\n"
            "            self._sums.append(self._sums[-1] + unit.tokens)\n",
        ),
        Edit(
            "rag/chunking/packing.py",
            "return sum(unit.tokens for unit in self._units[first:end])",
            "return self._sums[end] - self._sums[min(first, end)]",
        ),
    ),
    _refactoring(
        "Build the graph from a list, and log what was verified",
        "abstaining",
        Edit(
            "graph/build.py",
            '    graph.add_edge(START, "retrieve")\n'
            '    graph.add_edge("retrieve", "rerank")\n'
            '    graph.add_edge("rerank", "assemble")\n',
            '    steps = [START, "retrieve", "rerank", "assemble"]\n'
            "    for before, after in reversed(list(zip(steps, steps[1:], strict=False))):\n"
            "        graph.add_edge(before, after)\n",
        ),
        Edit(
            "graph/nodes/verify.py",
            '    return {"abstained": not state.get("citations")}',
            '    citations = state.get("citations") or []\n'
            '    structlog.get_logger(__name__).info("answer_verified", citations=len(citations))\n'
            '    return {"abstained": len(citations) == 0}',
        ),
        Edit(
            "graph/nodes/verify.py",
            "from langgraph.runtime import Runtime\n",
            "import structlog\nfrom langgraph.runtime import Runtime\n",
        ),
    ),
    _refactoring(
        "Give pools, queues and deadlines other sizes",
        "settings",
        DB_CONNECTIONS="3",
        EMBEDDING_CALLS="2",
        MODEL_CONCURRENCY="5",
        MODEL_QUEUE="20",
        MODEL_FIRST_TOKEN_TIMEOUT_S="15",
        REQUEST_TIMEOUT_S="45",
    ),
    _refactoring(
        "Embed in smaller batches",
        "ingestion",
        Edit("rag/ingest.py", "EMBEDDING_BATCH = 64", "EMBEDDING_BATCH = 7"),
    ),
)
