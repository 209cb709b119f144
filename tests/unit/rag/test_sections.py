from rag.parse.markdown import parse_markdown
from rag.sections import Section, group_sections, sections_within, split_sections
from tests.unit.rag.tokenizers import WordTokenizer


def groups(source: str, target: int) -> list[str]:
    document = parse_markdown(source)
    tokens = WordTokenizer()
    found = group_sections(
        split_sections(document), lambda start, end: len(tokens.token_spans(source[start:end])), target
    )
    assert "".join(source[group.start : group.end] for group in found) == source
    return [source[group.start : group.end] for group in found]


def test_sections_carry_the_headings_above_them() -> None:
    sections = split_sections(parse_markdown("intro\n# A\n## B\ntext\n#### D\ntext\n## C\n# E\n"))
    assert [(section.level, section.path, section.has_text) for section in sections] == [
        (0, (), True),
        (1, ("A",), False),
        (2, ("A", "B"), True),
        (4, ("A", "B", "D"), True),
        (2, ("A", "C"), False),
        (1, ("E",), False),
    ]


def test_a_break_ends_what_a_heading_says_but_not_what_stands_above_the_next_one() -> None:
    source = "# Deck\n## One\ntext\n\funtitled\n\f## Three\ntext\n"
    breaks = [at + 1 for at, sign in enumerate(source) if sign == "\f"]
    sections = split_sections(parse_markdown(source.replace("\f", "\n")), breaks=breaks)
    assert [(section.path, source[section.start : section.end]) for section in sections] == [
        (("Deck",), "# Deck\n"),
        (("Deck", "One"), "## One\ntext\n\f"),
        ((), "untitled\n\f"),
        (("Deck", "Three"), "## Three\ntext\n"),
    ]


def test_sections_are_cut_to_a_part_of_the_document() -> None:
    source = "# A\ntext\n# B\nmore\n"
    sections = split_sections(parse_markdown(source))
    assert sections_within(source, sections, source.index("text"), source.index("\nmore")) == [
        Section(start=4, body=4, end=9, level=1, path=("A",), has_text=True),
        Section(start=9, body=12, end=12, level=1, path=("B",), has_text=False),
    ]


def test_headings_to_level_3_divide_and_deeper_ones_do_not() -> None:
    long = "word " * 30 + "\n"
    a, b, c = f"# A\n{long}", f"### B\n{long}", f"#### C\n{long}"
    assert groups(a + b + c, target=100) == [a, b + c]


def test_headings_without_text_go_with_the_next_section_the_last_with_the_one_before() -> None:
    long = "word " * 80 + "\n"
    assert groups(f"# A\n## B\n{long}# C\n{long}# D\n## E\n", target=100) == [
        f"# A\n## B\n{long}",
        f"# C\n{long}# D\n## E\n",
    ]


def test_tiny_relatives_are_merged_while_they_fit() -> None:
    tiny, half, long = "word\n", "word " * 50 + "\n", "word " * 95 + "\n"
    assert groups(f"# A\n{tiny}## B\n{half}## C\n{tiny}", target=100) == [
        f"# A\n{tiny}## B\n{half}## C\n{tiny}"
    ]
    assert groups(f"# A\n{tiny}## B\n{long}", target=100) == [f"# A\n{tiny}", f"## B\n{long}"]
    assert groups(f"# A\n{half}## B\n{half}", target=200) == [f"# A\n{half}", f"## B\n{half}"]


def test_tiny_strangers_are_not_merged() -> None:
    half, tiny = "word " * 50 + "\n", "word\n"
    assert groups(f"# A\n{half}## B\n{half}### C\n{tiny}# D\n{half}", target=100) == [
        f"# A\n{half}",
        f"## B\n{half}### C\n{tiny}",
        f"# D\n{half}",
    ]
