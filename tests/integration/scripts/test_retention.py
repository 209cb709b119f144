from dataclasses import replace
from uuid import uuid4

import pytest

from app.audit import script_identity
from app.retention import Retention
from app.services import Services
from db.repositories import audit, tenants
from db.repositories.audit import AuditFilter
from rag.errors import InvalidInputError
from scripts.retention import change


async def test_a_tenants_retention_is_set_and_entered_in_its_log(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "erika")
    async with services.database.system() as connection:
        tenant = await tenants.ensure(connection, slug=f"t-{uuid4().hex}", name="Test")
    identity = replace(script_identity(services.default_identity), tenant_id=tenant.id)
    own = {"traces_days": 30, "usage_days": None}
    await change(services, identity, own)
    with pytest.raises(InvalidInputError, match="audit_days"):
        await change(services, identity, {"audit_days": 1})
    async with services.database.tenant(tenant.id) as connection:
        assert await tenants.retention(connection, tenant.id) == own
        (entry,) = await audit.page(connection, tenant.id, AuditFilter(), limit=10)
    assert (entry.subject, entry.action, entry.details) == ("script:erika", "tenant.set_retention", own)
    kept = Retention.of(services.settings).changed_by(own)
    assert (kept.traces_days, kept.usage_days, kept.audit_days) == (30, None, 365)
