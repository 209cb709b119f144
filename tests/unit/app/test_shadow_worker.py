"""The process that asks candidates, as far as it needs no database."""

import subprocess
import sys

import pytest

from app.experiments.shadow_process import LENGTH, MODULE, framed
from app.settings import Settings


@pytest.mark.parametrize(
    "given",
    [b"", LENGTH.pack(10)[:3], framed(Settings(_env_file=None))[:-1]],
)
def test_it_ends_with_a_parent_that_is_gone(given: bytes) -> None:
    done = subprocess.run(
        [sys.executable, "-m", MODULE], input=given, capture_output=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
