"""Which objects of a bucket are documents, told by their keys alone."""

import re
from uuid import UUID

from rag.errors import UnsupportedTypeError
from rag.parse.detect import check_kind
from rag.sources.types import is_hidden, why_unnamable

_ID = r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
_UPLOAD = re.compile(rf"uploads/{_ID}/")
TENANTS = "tenants/"
_OF_TENANT = re.compile(rf"{TENANTS}{_ID}/")
_MAX_NAME = 200  # characters: in UTF-8 at most 800 bytes, which leaves a key room for the rest


def upload_key(tenant_id: UUID, upload_id: UUID, filename: str) -> str:
    """Where a tenant's upload lies: below a folder that `upload_tenant` recognises, under a tame name."""
    # S3 would replace a "${filename}" in a form's key; a leading dot would hide the object.
    name = re.sub(r"[^\w.-]+", "_", re.split(r"[/\\]", filename)[-1])[-_MAX_NAME:].lstrip(".")
    return f"uploads/{tenant_id}/{upload_id}/{name or 'file'}"


def upload_tenant(key: str) -> UUID | None:
    """The only tenant that may read the object of this key; None if it is no tenant's upload."""
    found = _UPLOAD.match(key)
    return UUID(found[1]) if found else None


def tenant_folder(tenant_id: UUID) -> str:
    """Where a tenant's own objects lie, which no other tenant reaches."""
    return f"{TENANTS}{tenant_id}/"


def folder_tenant(key: str) -> UUID | None:
    """In whose folder the object of this key lies; None if in nobody's."""
    found = _OF_TENANT.match(key)
    return UUID(found[1]) if found else None


def why_unsupported(key: str, mime_type: str | None = None) -> str | None:
    """Why no parser would read the object, in words for the user; None if nothing speaks against it."""
    try:
        check_kind(key, mime_type)
    except UnsupportedTypeError as exc:
        return str(exc)
    return None


def why_not_followed(key: str) -> str | None:
    """Why a change of the object is none of a document; None if it may be one."""
    if key.endswith("/"):
        return "it is a folder"
    if is_hidden(key):
        return "it is hidden"
    if upload_tenant(key):
        return "uploads are taken in when they are completed"
    if key.startswith(TENANTS):
        return "tenants take in what lies in their folders by requests of their own"
    return why_unnamable(key) or why_unsupported(key)
