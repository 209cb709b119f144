"""Who works with the database in tests of the tenant walls, and what they have made there."""

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from db.pool import Database
from db.repositories.spaces import Space
from rag.ports import Writer


class Kind(StrEnum):
    """What an id stands for."""

    DOCUMENT = "document"
    CONVERSATION = "conversation"
    JOB = "job"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant, and the word that is in every text of its own and in no other's."""

    id: UUID
    canary: str

    @property
    def writer(self) -> Writer:
        return Writer(self.id)


@dataclass(slots=True)
class World:
    """All that the operations share. `made` holds whose each id is."""

    database: Database
    space: Space
    tenants: list[Tenant]
    made: defaultdict[Kind, list[tuple[Tenant, UUID]]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True, slots=True)
class Call:
    """One operation as it is carried out: by whom, on what."""

    world: World
    tenant: Tenant
    other: Tenant
    pick: int

    @property
    def database(self) -> Database:
        return self.world.database

    def add(self, kind: Kind, made: UUID) -> None:
        self.world.made[kind].append((self.tenant, made))

    def any_of(self, kind: Kind) -> tuple[bool, UUID]:
        """Whether an id that some tenant made is the caller's, and the id."""
        known = self.world.made[kind]
        owner, made = known[self.pick % len(known)] if known else (self.other, self.other.id)
        return owner is self.tenant, made
