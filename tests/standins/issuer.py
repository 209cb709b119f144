"""An OpenID Connect issuer on the loopback: discovery, keys that change, and tokens, bad ones too."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws
from joserfc.jwk import ECKey, KeyParameters, OctKey, RSAKey

from tests.standins.http import QuietHandler, http_server

AUDIENCE = "groundwork"
PrivateKey = RSAKey | ECKey | OctKey


def new_key(key_id: str, algorithm: str = "RS256") -> PrivateKey:
    parameters: KeyParameters = {"kid": key_id, "use": "sig", "alg": algorithm}
    if algorithm.startswith("HS"):
        return OctKey.generate_key(256, parameters)
    if algorithm.startswith("ES"):
        return ECKey.generate_key("P-256", parameters)
    return RSAKey.generate_key(2048, parameters)


@dataclass
class Issuer:
    """What it says, which a test may change at any time."""

    url: str = ""
    keys: list[PrivateKey] = field(default_factory=lambda: [new_key("first")])
    discovery: dict[str, object] = field(default_factory=dict)
    status: int = 200
    redirect: str | None = None
    body: bytes | None = None
    delay: threading.Event | None = None
    fetches: int = 0

    def claims(self, changes: Mapping[str, object] | None = None, **more: object) -> dict[str, Any]:
        """Of a good token for a reader of the tenant `default`; None leaves a claim out."""
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "ann",
            "exp": now + 300,
            "iat": now,
            "groups": ["tenant:default"],
        }
        return {
            name: value for name, value in (claims | dict(changes or {}) | more).items() if value is not None
        }

    def token(
        self,
        key: PrivateKey | None = None,
        *,
        header: Mapping[str, Any] | None = None,
        changes: Mapping[str, object] | None = None,
        **more: object,
    ) -> str:
        """Signed by the first of the keys, unless another is given."""
        signer = key or self.keys[0]
        algorithm = str(signer["alg"])
        named = {"alg": algorithm, "kid": signer.kid, **(header or {})}
        claims = json.dumps(self.claims(changes, **more)).encode()
        return jws.serialize_compact(named, claims, _unlabelled(signer), algorithms=[str(named["alg"])])

    def signed(self, claims: bytes, **header: object) -> str:
        """A good RS256 signature by the first key under whatever claims and header."""
        key = self.keys[0]
        assert isinstance(key, RSAKey)
        assert key.private_key is not None
        head = json.dumps({"alg": "RS256", "kid": key.kid, **header}).encode()
        text = f"{_encoded(head)}.{_encoded(claims)}"
        return f"{text}.{_encoded(key.private_key.sign(text.encode(), PKCS1v15(), SHA256()))}"


def _unlabelled(key: PrivateKey) -> PrivateKey:
    """A forger's: signs by any algorithm, whatever the key is said to be for."""
    parameters = {name: value for name, value in key.as_dict(private=True).items() if name != "alg"}
    return type(key).import_key(parameters)


def _shown(key: PrivateKey) -> Mapping[str, object]:
    """As the issuer publishes it: a shared secret too, if it is so careless."""
    return key.as_dict() if isinstance(key, OctKey) else key.as_dict(private=False)


def unsigned(claims: Mapping[str, object], algorithm: str = "none") -> str:
    return f"{_part({'alg': algorithm, 'typ': 'JWT'})}.{_part(claims)}."


def signed_with_public_key(key: PrivateKey, claims: Mapping[str, object]) -> str:
    """HS256 with the issuer's public key as the shared secret: the algorithm confusion of 2015."""
    text = f"{_part({'alg': 'HS256', 'kid': key.kid})}.{_part(claims)}"
    assert not isinstance(key, OctKey)
    signature = hmac.digest(key.as_pem(private=False), text.encode(), hashlib.sha256)
    return f"{text}.{_encoded(signature)}"


def _part(value: Mapping[str, object]) -> str:
    return _encoded(json.dumps(value).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@contextmanager
def issuer_server() -> Iterator[Issuer]:
    issuer = Issuer()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            if self.path == "/jwks":
                issuer.fetches += 1
                if issuer.delay:
                    issuer.delay.wait(10)
                document: dict[str, object] = {"keys": [_shown(key) for key in issuer.keys]}
            else:
                document = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/jwks"} | issuer.discovery
            headers = {"Location": issuer.redirect} if issuer.redirect else {}
            body = json.dumps(document).encode() if issuer.body is None else issuer.body
            self.reply(issuer.status, body, "application/json", headers)

    with http_server(Handler) as issuer.url:
        yield issuer
