"""What an analysis reads, from the service's own database: exposures, and the requests that followed them."""

from collections.abc import Mapping
from dataclasses import dataclass

from db.pool import Database
from db.repositories import experiments, exposures, tenants
from feedback.experiments.rows import Row, make_row
from rag.errors import InvalidInputError, NotFoundError


@dataclass(frozen=True, slots=True)
class StoredExperiment:
    """An experiment's rows, one for each request of each subject since their exposure.

    Attributes:
        control: The variant that others are compared with.
        weights: As they are now.
    """

    control: str
    weights: Mapping[str, float]
    rows: list[Row]


async def read_experiment(database: Database, *, tenant: str, key: str) -> StoredExperiment:
    """The experiment of that key.

    Args:
        database: Where it is.
        tenant: Slug of its tenant.
        key: Of the experiment.

    Raises:
        NotFoundError: There is no such tenant or experiment.
        InvalidInputError: Nobody was exposed to it.
        UnavailableError: The database can't be reached.
    """
    async with database.system() as connection:
        owner = await tenants.find(connection, tenant)
    if owner is None:
        raise NotFoundError(f"there is no tenant {tenant}")
    async with database.tenant(owner.id) as connection:
        found = await experiments.find(connection, owner.id, key)
        if found is None:
            raise NotFoundError(f"the tenant {tenant} has no experiment {key}")
        records = await exposures.outcomes(connection, found)
    if not records:
        raise InvalidInputError(f"nobody was exposed to {key}")
    rows = [make_row(f"request {number}", record) for number, record in enumerate(records, 1)]
    weights = {variant.name: variant.weight for variant in found.variants}
    return StoredExperiment(found.variants[0].name, weights, rows)
