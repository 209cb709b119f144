"""Lines on their way to standard output, which somebody reads who may be slow, or gone."""

import queue
import threading
from collections.abc import Callable

MOST_LINES = 10_000  # some 10 MB: an hour of a busy service's metrics


class LineQueue:
    """Writes lines in a thread of its own. What doesn't fit is forgotten; whoever adds a line never waits.

    Args:
        write: Takes a line without its end; it may take its time, and raise OSError.
        size: Most lines that wait.
    """

    def __init__(self, write: Callable[[str], object], *, size: int = MOST_LINES) -> None:
        self._write = write
        self._lines: queue.Queue[str | None] = queue.Queue(size)
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return self._lines.qsize()

    def add(self, line: str) -> None:
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            return

    def stop(self, timeout_s: float) -> None:
        """Write what waits, but no longer than that."""
        try:
            self._lines.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._write(line)
            except OSError:
                continue  # the reader is gone, and with it whoever could be told
