"""An Amazon Cognito user pool, of moto's: its users log in, and ask with the tokens that they get."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
import pytest

from db.addresses import DatabaseLogins
from rag.models.local import LocalModels
from tests.integration.app.access import bearer
from tests.integration.app.conftest import POLICY, ingest_text
from tests.integration.conftest import running_service, settings_for
from tests.standins.aws import REGION, use_aws
from tests.standins.moto import moto_server

PASSWORD = "Correct-horse-7-battery"
QUESTION = {"query": "How many vacation days can I carry over?"}


@dataclass(frozen=True, slots=True)
class Pool:
    cognito: Any
    url: str
    pool_id: str
    client_id: str

    def sign_up(self, name: str, *groups: str) -> None:
        self.cognito.sign_up(ClientId=self.client_id, Username=name, Password=PASSWORD)
        self.cognito.admin_confirm_sign_up(UserPoolId=self.pool_id, Username=name)
        for group in groups:
            self.cognito.create_group(UserPoolId=self.pool_id, GroupName=group)
            self.cognito.admin_add_user_to_group(UserPoolId=self.pool_id, Username=name, GroupName=group)

    def log_in(self, name: str, client_id: str | None = None) -> dict[str, str]:
        answer = self.cognito.initiate_auth(
            ClientId=client_id or self.client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": PASSWORD},
        )
        tokens: dict[str, str] = answer["AuthenticationResult"]
        return tokens

    def new_client(self, name: str) -> str:
        flows = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
        made = self.cognito.create_user_pool_client(
            UserPoolId=self.pool_id, ClientName=name, ExplicitAuthFlows=flows
        )
        client_id: str = made["UserPoolClient"]["ClientId"]
        return client_id


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with moto_server() as url, pytest.MonkeyPatch.context() as monkeypatch:
        use_aws(monkeypatch, url)
        cognito = boto3.client("cognito-idp", region_name=REGION)
        pool_id = cognito.create_user_pool(PoolName="staff")["UserPool"]["Id"]
        empty = Pool(cognito, url, pool_id, "")
        yield Pool(cognito, empty.url, pool_id, empty.new_client("web"))


@pytest.fixture(scope="module")
async def client(
    logins: DatabaseLogins, local_models: LocalModels, pool: Pool
) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(
        logins,
        auth_mode="oidc",
        oidc_issuer=f"https://cognito-idp.{REGION}.amazonaws.com/{pool.pool_id}",
        oidc_jwks_url=f"{pool.url}/{pool.pool_id}/.well-known/jwks.json",
        oidc_client_ids=pool.client_id,
        oidc_groups_claim="cognito:groups",
    )
    async with running_service(settings, local_models) as opened:
        yield opened


async def test_a_user_asks_with_the_access_token_and_with_the_id_token(
    client: httpx.AsyncClient, pool: Pool
) -> None:
    pool.sign_up("erika", "tenant:default", "role:contributor")
    tokens = pool.log_in("erika")
    writer = httpx.AsyncClient(base_url=client.base_url, headers=bearer(tokens["AccessToken"]), timeout=60)
    async with writer:
        await ingest_text(writer, POLICY, title="Leave policy")
    for kind in ("AccessToken", "IdToken"):
        answer = await client.post("/chat", headers=bearer(tokens[kind]), json=QUESTION)
        assert answer.status_code == 200, answer.text
        assert "5 vacation days" in answer.json()["answer"]


async def test_a_user_without_a_tenant_is_forbidden(client: httpx.AsyncClient, pool: Pool) -> None:
    pool.sign_up("otto")
    tokens = pool.log_in("otto")
    answer = await client.post("/chat", headers=bearer(tokens["AccessToken"]), json=QUESTION)
    assert answer.status_code == 403


async def test_other_tokens_of_the_pool_are_refused(client: httpx.AsyncClient, pool: Pool) -> None:
    pool.sign_up("ida")
    foreign = pool.log_in("ida", pool.new_client("another app"))
    for token in (foreign["AccessToken"], foreign["IdToken"], pool.log_in("ida")["RefreshToken"]):
        answer = await client.post("/chat", headers=bearer(token), json=QUESTION)
        assert answer.status_code == 401
