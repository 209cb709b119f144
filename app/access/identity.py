"""Who asks. Without authentication there is one caller: of the tenant `default`, in no group, an admin."""

from dataclasses import dataclass, replace
from typing import Self
from uuid import UUID

from app.access.roles import PERMISSIONS, Permission, Role
from rag.ports import SearchScope, Writer

ANONYMOUS, KEY = "anonymous:", "key:"  # begin the subjects that we give out


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller of a request.

    Attributes:
        tenant_id: The only tenant whose rows the request can reach.
        subject: Who, for traces and feedback; None for an anonymous caller, who is known by conversation.
        groups: Groups that open documents with an access list; without any, none of those is open.
        role: What they may do.
        key_id: The API key that was shown; None for people, who log in, and for anonymous callers.
        user_id: The user of the key's owner that the key acts for, where a request names one.
    """

    tenant_id: UUID
    subject: str | None = None
    groups: tuple[str, ...] = ()
    role: Role = Role.ADMIN
    key_id: UUID | None = None
    user_id: str | None = None

    def may(self, permission: Permission) -> bool:
        return permission in PERMISSIONS[self.role]

    def on_behalf_of(self, user_id: str | None) -> Self:
        """The same caller, known as that user from here on. Only a key speaks for others."""
        if self.key_id is None or user_id is None:
            return self
        return replace(self, subject=f"{key_subject(self.key_id)}:{user_id}", user_id=user_id)

    def owns(self, subject: str) -> bool:
        """Whether what `subject` left behind is this caller's. A key that names no user owns all users'."""
        if self.subject is None:
            return subject.startswith(ANONYMOUS)
        if self.key_id is not None and self.user_id is None:
            return subject == self.subject or subject.startswith(f"{self.subject}:")
        return subject == self.subject

    def scope(self) -> SearchScope:
        return SearchScope(tenant_id=self.tenant_id, groups=self.groups)

    def writer(self) -> Writer:
        return Writer(tenant_id=self.tenant_id, groups=self.groups, subject=self.subject)


def key_subject(key_id: UUID) -> str:
    return f"{KEY}{key_id}"
