from uuid import UUID

import pytest

from rag.sources.object_keys import upload_key, upload_tenant, why_not_followed

TENANT = UUID("00000000-0000-0000-0000-00000000000a")
UPLOAD = UUID("00000000-0000-0000-0000-00000000000b")


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("Report 2025.pdf", "Report_2025.pdf"),
        ("ü日.md", "ü日.md"),
        ("a/b\\c.md", "c.md"),
        ("../../etc/passwd", "passwd"),
        ("${filename}", "_filename_"),
        ("..", "file"),
        (".env", "env"),
        ("a\x00b\nc.md", "a_b_c.md"),
        ("日" * 400 + ".md", "日" * 197 + ".md"),
    ],
)
def test_an_upload_lies_in_its_tenants_folder_under_a_tame_name(filename: str, name: str) -> None:
    key = upload_key(TENANT, UPLOAD, filename)
    assert key == f"uploads/{TENANT}/{UPLOAD}/{name}"
    assert len(key.encode()) <= 1024
    assert upload_tenant(key) == TENANT


@pytest.mark.parametrize("key", ["uploads/a.md", "uploads", f"my/uploads/{TENANT}/a", f"uploads/{TENANT}"])
def test_other_keys_are_no_uploads(key: str) -> None:
    assert upload_tenant(key) is None


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("a/b.md", None),
        ("no-extension", None),
        ("a.bin", None),
        ("folder/", "folder"),
        (".git/x", "hidden"),
        ("a.mp4", r"\.mp4"),
        ("a\0.md", "not text"),
        (f"uploads/{TENANT}/{UPLOAD}/a.md", "completed"),
        (f"tenants/{TENANT}/a.md", "requests of their own"),
    ],
)
def test_only_documents_are_followed(key: str, reason: str | None) -> None:
    found = why_not_followed(key)
    assert (found is None) == (reason is None)
    assert reason is None or reason.replace("\\", "") in (found or "")
