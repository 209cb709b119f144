"""Lines for a reader that may be slow, or gone."""

import os
import time

from observability.line_queue import LineQueue


def test_lines_arrive_in_order() -> None:
    found: list[str] = []
    lines = LineQueue(found.append)
    for number in range(100):
        lines.add(str(number))
    lines.stop(5)
    assert found == [str(number) for number in range(100)]


def test_a_reader_that_has_stopped_holds_nobody_up_and_little_is_kept_for_it() -> None:
    reader, writer = os.pipe()
    lines = LineQueue(lambda line: os.write(writer, line.encode()), size=10)
    began = time.perf_counter()
    for _ in range(1000):
        lines.add("x" * 65_536)  # all that a pipe holds
    lines.stop(0.1)
    assert time.perf_counter() - began < 1
    assert len(lines) <= 10
    os.close(reader)  # frees the thread
    lines.stop(5)
    os.close(writer)


def test_a_reader_that_is_gone_does_no_harm() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    found: list[str] = []

    def write(line: str) -> None:
        found.append(line)
        os.write(writer, line.encode())

    lines = LineQueue(write)
    lines.add("one")
    lines.add("two")
    lines.stop(5)
    os.close(writer)
    assert found == ["one", "two"]
