"""Whether a request may be worked on, and how much of each limit is left."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self
from uuid import UUID

from app.access.identity import Identity
from db.repositories.limits import Standing

LOW = 0.1  # of a quota left: callers are warned


class RouteClass(StrEnum):
    """Routes that share a rate limit."""

    CHAT = "chat"
    SEARCH = "search"
    INGEST = "ingest"
    OTHER = "other"

    @classmethod
    def of(cls, route: str) -> Self:
        """The class of a route such as "POST /chat"."""
        method, _, path = route.partition(" ")
        first = path.strip("/").partition("/")[0]
        if method in {"POST", "PUT"} and first in {cls.CHAT, cls.SEARCH, cls.INGEST}:
            return cls(first)
        return cls("other")


@dataclass(frozen=True, slots=True)
class Admission:
    """What was found when a request came in.

    Attributes:
        standings: Each limit that the request falls under, with this request counted.
        refused_by: The limit that is in its way; of several, the one that takes longest.
        reservation: What it holds of the tokens and the cost until it ends.
    """

    standings: tuple[Standing, ...] = ()
    refused_by: Standing | None = None
    reservation: UUID | None = None

    def check(self) -> None:
        """Raises: LimitExceededError when the request is refused."""
        if self.refused_by is not None:
            raise self.refused_by.refusal()

    @property
    def low(self) -> list[Standing]:
        """Quotas with less than a tenth left."""
        return [s for s in self.standings if not s.is_rate and s.left < LOW * s.limit]


ADMITTED = Admission()


class Limits(Protocol):
    """Lets requests in, as far as limits allow."""

    async def admit(self, identity: Identity, route: str) -> Admission:
        """Count a request against all limits that it falls under, or against none if one refuses it.

        Args:
            identity: Who asks.
            route: The route's method and path, such as "POST /chat".

        Raises:
            UnavailableError: The limits can't be read.
        """
        ...

    async def end(self, identity: Identity, admission: Admission) -> None:
        """Give back what the request has reserved: what it used is in the ledger."""
        ...


class NoLimits:
    """Lets everything in. A null `Limits`."""

    async def admit(self, identity: Identity, route: str) -> Admission:
        return ADMITTED

    async def end(self, identity: Identity, admission: Admission) -> None:
        """There is nothing to give back."""
