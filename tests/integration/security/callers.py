"""All who may knock: each role with a key and with a token, and those who must not get in."""

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.access.identity import key_subject
from app.access.roles import Role
from db.pool import Database
from tests.integration.app.access import KeyMaker, bearer
from tests.standins.issuer import Issuer, new_key, signed_with_public_key, unsigned

SECRET_CHARS = 48
EXPIRE = "UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1"
REVOKE = "UPDATE api_keys SET revoked_at = now() WHERE id = $1"


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with credentials.

    Attributes:
        name: For the test's messages.
        refusal: The status that all of their requests get; None for somebody who is known here.
    """

    name: str
    role: Role
    headers: dict[str, str]
    subject: str = ""
    refusal: int | None = None


@dataclass(frozen=True, slots=True)
class Callers:
    """Makes callers of one tenant."""

    database: Database
    issuer: Issuer
    tenant_id: UUID
    slug: str

    async def known(self) -> list[Caller]:
        found = []
        for role in Role:
            issued = await KeyMaker(self.database).issue(role, tenant=self.slug)
            subject = key_subject(issued.key.id)
            found.append(Caller(f"{role} with a key", role, bearer(issued.secret), subject))
            claims = self._claims(role)
            token = bearer(self.issuer.token(**claims))
            found.append(Caller(f"{role} with a token", role, token, claims["sub"]))
        return found

    async def refused(self) -> list[Caller]:
        found = [Caller(name, Role.ADMIN, headers, refusal=401) for name, headers in NOBODY.items()]
        for role in Role:
            found += [
                Caller(f"{role} with a key that is {name}", role, bearer(secret), refusal=401)
                for name, secret in (await self._bad_keys(role)).items()
            ]
            found += [
                Caller(f"{role} with a token: {name}", role, bearer(token), refusal=401)
                for name, token in self._bad_tokens(role).items()
            ]
        found += [
            Caller(f"admin with a token of {name}", Role.ADMIN, bearer(token), refusal=403)
            for name, token in self._tokens_without_a_place().items()
        ]
        return found

    async def _bad_keys(self, role: Role) -> dict[str, str]:
        maker = KeyMaker(self.database)
        keys = {name: await maker.issue(role, tenant=self.slug) for name in ("expired", "revoked", "forged")}
        async with self.database.tenant(self.tenant_id) as connection:
            await connection.execute(EXPIRE, keys["expired"].key.id)
            await connection.execute(REVOKE, keys["revoked"].key.id)
        secrets = {name: issued.secret for name, issued in keys.items()}
        forged = secrets["forged"][:-SECRET_CHARS] + "0" * SECRET_CHARS
        return secrets | {"forged": forged, "cut short": secrets["forged"][:-1]}

    def _claims(self, role: Role, **changes: Any) -> dict[str, Any]:
        return {"sub": f"person-{role}", "groups": [f"tenant:{self.slug}", f"role:{role}"]} | changes

    def _bad_tokens(self, role: Role) -> dict[str, str]:
        """Each with one fault."""
        now = int(time.time())
        good = self._claims(role)
        (key,) = self.issuer.keys
        claims = self.issuer.claims(**good)
        head, _, signature = self.issuer.token(**good, jti="another").split(".")
        body = self.issuer.token(**good).split(".")[1]
        return {
            "expired": self.issuer.token(**good, exp=now - 3600),
            "not yet good": self.issuer.token(**good, nbf=now + 3600),
            "without an end": self.issuer.token(**good, exp=None),
            "of another audience": self.issuer.token(**good, aud="another-service"),
            "of another issuer": self.issuer.token(**good, iss="https://elsewhere.example"),
            "with a forged signature": self.issuer.token(new_key(str(key.kid)), **good),
            "with the signature of another": f"{head}.{body}.{signature}",
            "with alg none": unsigned(claims),
            "signed with the public key": signed_with_public_key(key, claims),
        }

    def _tokens_without_a_place(self) -> dict[str, str]:
        groups = {
            "no tenant": ["role:admin"],
            "an unknown tenant": ["tenant:nowhere", "role:admin"],
            "two tenants": [f"tenant:{self.slug}", "tenant:default", "role:admin"],
        }
        return {name: self.issuer.token(sub="ann", groups=of) for name, of in groups.items()}


NOBODY: dict[str, dict[str, str]] = {
    "no credentials": {},
    "an empty header": {"Authorization": ""},
    "no key after Bearer": {"Authorization": "Bearer"},
    "garbage": bearer("garbage"),
    "three dots": bearer("a.b.c"),
    "a long one": bearer("gw_" + "0" * 5000),
    "another scheme": {"Authorization": "Basic YWRtaW46YWRtaW4="},
    "a key that was never made": bearer("gw_0123456789abcdef_" + "0" * SECRET_CHARS),
}
