import base64
import json
from pathlib import Path

from tests.integration.scripts.test_command_line import data_dir, run

__all__ = ["data_dir"]  # a fixture


def test_a_new_key_is_32_random_bytes(data_dir: Path) -> None:
    first, second = (run("privacy.py", "new-key", data_dir=data_dir).stdout.strip() for _ in range(2))
    assert len(base64.b64decode(first)) == 32
    assert first != second


def test_a_subject_is_exported_and_erased(data_dir: Path) -> None:
    output = data_dir / "export.jsonl"
    exported = run("privacy.py", "export", "nobody", str(output), data_dir=data_dir)
    assert (exported.returncode, json.loads(exported.stdout)) == (0, {}), exported.stderr
    assert output.read_bytes() == b""
    erased = run("privacy.py", "erase", "nobody", data_dir=data_dir)
    assert (erased.returncode, json.loads(erased.stdout)["left"]) == (0, {}), erased.stderr


def test_keys_are_rotated_only_where_there_are_any(data_dir: Path) -> None:
    refused = run("privacy.py", "rotate", data_dir=data_dir)
    assert refused.returncode == 1
    assert "FIELD_ENCRYPTION is off" in refused.stderr
    unknown = run("privacy.py", "rotate", "--tenant", "none", data_dir=data_dir)
    assert (unknown.returncode, "no tenant none" in unknown.stderr) == (1, True)
