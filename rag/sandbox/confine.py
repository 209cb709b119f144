"""What a child does to itself before it reads a stranger's file."""

import contextlib
import ctypes
import math
import os
import resource
import signal
import sys

from rag.sandbox.limits import MB

NICENESS = 10  # searches come first
_FILE_MB = 256  # a page scanned at 600 dpi in colour is 105 MB as a bitmap
_OPEN_FILES = 128  # a parser opens a handful
_FIRST_TO_GO = "1000"  # proc(5), oom_score_adj: the kernel takes this process before any other
_PR_SET_PDEATHSIG = 1  # prctl(2)
_PR_SET_NO_NEW_PRIVS = 38


def confine(memory_mb: int) -> None:
    """Give up what a parser does not need. What the process starts later inherits it.

    The limit is on address space, not on RLIMIT_DATA, which lets shared memory through. No parser's library
    reserves more of it than it uses.
    """
    os.umask(0o077)
    os.nice(NICENESS)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, _FILE_MB * MB)
    _lower(resource.RLIMIT_NOFILE, _OPEN_FILES)
    if sys.platform == "linux":
        _lower(resource.RLIMIT_AS, memory_mb * MB)
        _end_with_parent()
        with contextlib.suppress(OSError):  # no /proc
            _write("/proc/self/oom_score_adj", _FIRST_TO_GO)
    else:  # macOS refuses limits that are below what a process maps from its start
        with contextlib.suppress(ValueError, OSError):
            _lower(resource.RLIMIT_AS, memory_mb * MB)


def allow_cpu(seconds: float) -> None:
    """Let the process compute for that long from now on; then SIGXCPU ends it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = math.ceil(used.ru_utime + used.ru_stime + seconds)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = until if hard == resource.RLIM_INFINITY else min(until, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def memory_bytes() -> tuple[int, int]:
    """Resident memory now, and the most address space so far. Zeros where there is no /proc."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123 - pathlib is not cheaper
            status = dict(line.split(":", 1) for line in file)
    except OSError:
        return 0, 0
    return _kilobytes(status["VmRSS"]), _kilobytes(status["VmPeak"])


def _kilobytes(value: str) -> int:
    return int(value.split(maxsplit=1)[0]) * 1024


def _lower(limit: int, value: int) -> None:
    _, hard = resource.getrlimit(limit)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, value))


def _end_with_parent() -> None:
    """Die when the thread that started this process ends, however it ends; and never gain a privilege."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:  # noqa: PTH123
        file.write(text)
