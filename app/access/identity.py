"""Who asks. Without authentication there is one caller, of the tenant `default`, in no group."""

from dataclasses import dataclass
from uuid import UUID

from rag.ports import SearchScope, Writer

ANONYMOUS = "anonymous:"


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller of a request.

    Attributes:
        tenant_id: The only tenant whose rows the request can reach.
        subject: Who, for traces and feedback; None for an anonymous caller, who is known by conversation.
        groups: Groups that open documents with an access list.
    """

    tenant_id: UUID
    subject: str | None = None
    groups: tuple[str, ...] = ()

    def owns(self, subject: str) -> bool:
        """Whether what `subject` left behind is this caller's."""
        return subject == self.subject if self.subject else subject.startswith(ANONYMOUS)

    def scope(self) -> SearchScope:
        return SearchScope(tenant_id=self.tenant_id, groups=self.groups)

    def writer(self) -> Writer:
        return Writer(tenant_id=self.tenant_id, groups=self.groups)
