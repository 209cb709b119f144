from collections.abc import Callable
from pathlib import Path

import pytest

Order = Callable[[str], Path]


@pytest.fixture
def order(tmp_path: Path) -> Order:
    """Writes a file that makes the hostile parser do something."""

    def write(text: str) -> Path:
        path = tmp_path / f"order-{len(list(tmp_path.iterdir()))}"
        path.write_text(text)
        return path

    return write
