import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.documents import ParsedDocument
from rag.errors import UnreadableFileError
from rag.parse import FileType
from rag.parse.rst import parse_rst

GUIDE = """\
=======
 Guide
=======

:Author: Ann
:Version: 2

First *words* with ``code``, a `link <http://example.org>`_, |name| and a note [1]_.

.. |name| replace:: Groundwork
.. A comment.

Setup
=====

#. one
#. two

   * deep

     - deeper

Term : kind
    Its meaning.

.. note:: Take care.

   And more care.

::

    x = 1
      y = 2

Details
-------

.. list-table:: Sizes
   :header-rows: 1

   * - Item
     - Width
   * - Lamp
     - 3

+------+-----+
| a    | b   |
+======+=====+
| 1    | 2   |
|      +-----+
|      | 3   |
+------+-----+

-v, --verbose  Says more.

| a line
| another

.. image:: lamp.png
   :alt: A lamp

.. [1] The note.
"""

GUIDE_TEXT = """\
Guide

Author: Ann
Version: 2

First words with code, a link, Groundwork and a note [1].

Setup

1. one
2. two
  - deep
    - deeper

Term : kind
Its meaning.

Note: Take care.

And more care.

x = 1
  y = 2

Details

Sizes

| Item | Width |
| --- | --- |
| Lamp | 3 |

| a | b |
| --- | --- |
| 1 | 2 |
| 1 | 3 |

-v, --verbose: Says more.

a line
another

A lamp

[1] The note."""


def outline(document: ParsedDocument) -> list[tuple[str, int]]:
    return [(document.text[h.start : h.end], h.level) for h in document.headings]


def test_a_document_becomes_what_its_reader_sees() -> None:
    document = parse_rst(GUIDE)
    assert document.text == GUIDE_TEXT
    assert outline(document) == [("Guide", 1), ("Setup", 2), ("Details", 3)]
    assert (document.title, document.mime_type, document.warnings) == ("Guide", FileType.RST, ())
    assert [document.text[t.start : t.header_end].split("\n")[0] for t in document.tables] == [
        "| Item | Width |",
        "| a | b |",
    ]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("See :ref:`the guide <guide>` and :func:`~os.path`, :x:y:`z`.", "See the guide and os.path, z."),
        ("A `missing`_ link and |unknown|.", "A missing link and |unknown|."),
        (".. versionadded:: 3.2\n\n   It *can* do this.", "Added in version 3.2\n\nIt can do this."),
        (".. py:function:: run(fast)\n   :async:\n\n   Runs.\n\n   - a", "run(fast)\n\nRuns.\n\n- a"),
        (".. code-block:: python\n   :emphasize-lines: 1\n\n   def f():\n       pass", "def f():\n    pass"),
        (".. outer:: a\n\n   .. inner:: b\n\n      words", "a\n\nb\n\nwords"),
        ("x\n\n.. toctree::\n   :maxdepth: 2\n\n   intro\n   usage", "x"),
        ("x\n\n.. automodule:: rag\n   :members:", "x"),
        ("x\n\n.. contents::\n\nT\n=\n\ny", "x\n\nT\n\ny"),
        ("=== ===\nbroken\n=== === ===", "=== ===\nbroken\n=== === ==="),
        (".. math:: a^2\n\n>>> 1 + 1\n2", "a^2\n\n>>> 1 + 1\n2"),
        ("a\n\n    quoted\n\n    -- Ann", "a\n\nquoted\n\nAnn"),
    ],
)
def test_sphinx_and_errors_cost_no_words(source: str, text: str) -> None:
    assert parse_rst(source).text == text


@pytest.mark.parametrize(
    "source",
    [
        ".. include:: {path}",
        ".. literalinclude:: {path}",
        ".. raw:: html\n   :file: {path}",
        ".. csv-table::\n   :file: {path}",
        ".. raw:: html\n\n   secret",
    ],
)
def test_nothing_is_included_or_passed_through_raw(source: str, tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("secret")
    assert parse_rst("shown\n\n" + source.format(path=path)).text == "shown"


def test_docutils_says_nothing_itself(capfd: pytest.CaptureFixture[str]) -> None:
    parse_rst("Title\n==\n\n*open\n\n.. nonsense:: x\n\n:nope:`y` |z|\n\n.. |a| replace:: |a|\n")
    assert capfd.readouterr() == ("", "")


def test_a_document_knows_no_roles_of_the_one_before() -> None:
    assert parse_rst(".. role:: zap(emphasis)\n\n:zap:`x <y>`").text == "x <y>"
    assert parse_rst(":zap:`x <y>`").text == "x"


def test_only_comments_are_no_text() -> None:
    with pytest.raises(UnreadableFileError, match="holds no text"):
        parse_rst(".. Nothing to see.\n")


@pytest.mark.parametrize(
    "source",
    [
        "*a `b |c\n" * 20_000,
        ("`a " * 3_000 + "\n") * 50,
        "x" * 100_000,
        "".join(" " * depth + "- x\n\n" for depth in range(0, 600, 2)),
        "a paragraph\n\n" * 200_000,
    ],
)
def test_what_would_take_minutes_is_read_as_plain_text(source: str) -> None:
    began = time.monotonic()
    document = parse_rst(source)
    assert time.monotonic() - began < 10
    assert document.text == source
    assert document.mime_type == FileType.RST
    assert document.warnings[0].startswith("read as plain text: ")


PIECES = st.sampled_from(
    [
        "*",
        "**",
        "``",
        "`",
        "|",
        "_",
        ":role:`x`",
        "\n",
        "\n\n",
        "  ",
        "- ",
        "1. ",
        "====\n",
        "----\n",
        ".. note::",
        ".. code:: x\n",
        ".. foo:: bar\n",
        "+--+--+\n",
        "| a|b |\n",
        "word",
        "Term\n  def\n",
        ":f: v\n",
        "::\n\n  ",
        ".. [1] x\n",
        "[1]_ ",
        ".. |s| replace:: ",
        ".. table:: T\n\n",
        ".. csv-table::\n\n   a,b\n",
        "-o x\n",
        ">>> ",
    ]
)


@given(st.lists(PIECES, max_size=40))
def test_any_text_gives_a_document_or_one_of_our_errors(pieces: list[str]) -> None:
    with suppress(UnreadableFileError):
        document = parse_rst("".join(pieces))
        assert document.text.strip()
        for heading in document.headings:
            assert document.text[heading.start : heading.end] == heading.title
