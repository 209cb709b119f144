"""The program Tesseract: whether it is installed, for which languages, and what it prints."""

import functools
import os
import shutil
import subprocess
from collections.abc import Sequence

from rag.errors import UnreadableFileError, UnsupportedTypeError

DEFAULT_LANGUAGES = "eng"
MISSING = (
    "reading text in pictures needs the program Tesseract, which is not installed here "
    "(on Debian and Ubuntu: apt install tesseract-ocr)"
)
_PROGRAM = "tesseract"
_SECONDS = 120  # for one page; a dense one takes about 5
_NO_LANGUAGES = {"osd", "equ", "snum"}  # Tesseract's data files for other things


def ocr_available() -> bool:
    return shutil.which(_PROGRAM) is not None


def found_program() -> str:
    """Where the program is.

    Raises:
        UnsupportedTypeError: It is not installed.
    """
    program = shutil.which(_PROGRAM)
    if program is None:
        raise UnsupportedTypeError(MISSING)
    return program


def check_languages(program: str, languages: str) -> None:
    """Make sure that the program can read `languages`, Tesseract's codes joined by `+`.

    Raises:
        UnsupportedTypeError: One is not installed; the message names Debian's package of it.
        UnreadableFileError: The program doesn't work.
    """
    missing = [code for code in languages.split("+") if code not in _installed(program)]
    if missing:
        packages = " ".join(f"tesseract-ocr-{code.replace('_', '-')}" for code in missing)
        raise UnsupportedTypeError(
            f"the program Tesseract has no language data for {', '.join(missing)} here "
            f"(on Debian and Ubuntu: apt install {packages})"
        )


def run_tesseract(program: str, arguments: Sequence[str], picture: bytes = b"") -> str:
    """What the program prints.

    Raises:
        UnreadableFileError: It failed or took too long.
    """
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}  # its threads cost more than they gain
    try:
        done = subprocess.run(  # noqa: S603  # a fixed program; the languages are among the installed ones
            [program, *arguments],
            input=picture,
            capture_output=True,
            check=True,
            timeout=_SECONDS,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise UnreadableFileError("reading the text in a picture took too long") from error
    except (subprocess.CalledProcessError, OSError) as error:
        raise UnreadableFileError("the text in a picture could not be read") from error
    return done.stdout.decode("utf-8", "replace")


@functools.lru_cache(maxsize=4)
def _installed(program: str) -> frozenset[str]:
    listed = run_tesseract(program, ["--list-langs"]).splitlines()[1:]
    names = {line.strip() for line in listed}
    return frozenset(name for name in names - _NO_LANGUAGES if name and "/" not in name)
