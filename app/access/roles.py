"""Who may do what. Which documents that holds for is up to their access lists, whatever the role."""

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """Each may do what those before it may; an operator stands aside, with routes of its own."""

    READER = "reader"
    CONTRIBUTOR = "contributor"
    ANALYST = "analyst"
    ADMIN = "admin"
    OPERATOR = "operator"

    def may_grant(self, role: "Role") -> bool:
        """Whether the holder may give a key this role: none above its own; an operator any."""
        return self is Role.OPERATOR or (role is not Role.OPERATOR and _RANK[role] <= _RANK[self])


class Permission(StrEnum):
    """What a route needs."""

    CHAT = "chat"
    SEARCH = "search"
    GIVE_FEEDBACK = "give_feedback"
    READ_DOCUMENTS = "read_documents"
    WRITE_DOCUMENTS = "write_documents"
    READ_JOBS = "read_jobs"
    READ_USAGE = "read_usage"
    READ_TRACES = "read_traces"
    READ_FEEDBACK = "read_feedback"
    EVALUATE = "evaluate"
    CURATE = "curate"
    MANAGE_EXPERIMENTS = "manage_experiments"
    RELEASE_QUARANTINE = "release_quarantine"
    MANAGE_KEYS = "manage_keys"
    READ_AUDIT = "read_audit"
    ERASE = "erase"
    MANAGE_TENANTS = "manage_tenants"


_RANK = {role: rank for rank, role in enumerate(Role)}

_READER = frozenset({Permission.CHAT, Permission.SEARCH, Permission.GIVE_FEEDBACK, Permission.READ_DOCUMENTS})
_CONTRIBUTOR = _READER | {Permission.WRITE_DOCUMENTS, Permission.READ_JOBS}
_ANALYST = _CONTRIBUTOR | {
    Permission.READ_USAGE,
    Permission.READ_TRACES,
    Permission.READ_FEEDBACK,
    Permission.EVALUATE,
}
_ADMIN = _ANALYST | {
    Permission.CURATE,
    Permission.MANAGE_EXPERIMENTS,
    Permission.RELEASE_QUARANTINE,
    Permission.MANAGE_KEYS,
    Permission.READ_AUDIT,
    Permission.ERASE,
}

PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.READER: _READER,
    Role.CONTRIBUTOR: _CONTRIBUTOR,
    Role.ANALYST: _ANALYST,
    Role.ADMIN: _ADMIN,
    Role.OPERATOR: frozenset(
        {
            Permission.MANAGE_TENANTS,
            Permission.MANAGE_KEYS,
            Permission.MANAGE_EXPERIMENTS,
            Permission.READ_AUDIT,
        }
    ),
}
