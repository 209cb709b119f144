"""What roles may do, and what a caller owns."""

from itertools import pairwise
from uuid import UUID

import pytest

from app.access.identity import Identity
from app.access.roles import PERMISSIONS, Permission, Role

KEY = UUID("5f3b1c1e-0000-4000-8000-000000000000")
TENANT = UUID(int=1)
RANKED = [Role.READER, Role.CONTRIBUTOR, Role.ANALYST, Role.ADMIN]


def test_each_role_may_do_more_than_the_one_before() -> None:
    for lower, higher in pairwise(RANKED):
        assert PERMISSIONS[lower] < PERMISSIONS[higher]
    assert set(PERMISSIONS) == set(Role)


def test_only_operators_manage_tenants_and_they_read_no_documents() -> None:
    holders = [role for role in Role if Permission.MANAGE_TENANTS in PERMISSIONS[role]]
    assert holders == [Role.OPERATOR]
    reading = {Permission.CHAT, Permission.SEARCH, Permission.READ_DOCUMENTS, Permission.READ_TRACES}
    assert not reading & PERMISSIONS[Role.OPERATOR]


def test_a_role_is_granted_by_its_equals_and_those_above() -> None:
    for number, granted in enumerate(RANKED):
        assert [role for role in RANKED if role.may_grant(granted)] == RANKED[number:]
    assert [role for role in Role if role.may_grant(Role.OPERATOR)] == [Role.OPERATOR]
    assert all(Role.OPERATOR.may_grant(role) for role in Role)


@pytest.mark.parametrize(
    ("identity", "owned", "foreign"),
    [
        (Identity(TENANT), ["anonymous:1"], ["ann", f"key:{KEY}", ""]),
        (Identity(TENANT, subject="ann"), ["ann"], ["ann:1", "bob", "anonymous:1", ""]),
        (
            Identity(TENANT, subject=f"key:{KEY}", key_id=KEY),
            [f"key:{KEY}", f"key:{KEY}:ann"],
            [f"key:{KEY}2", "ann", "anonymous:1"],
        ),
        (
            Identity(TENANT, subject=f"key:{KEY}", key_id=KEY).on_behalf_of("ann"),
            [f"key:{KEY}:ann"],
            [f"key:{KEY}", f"key:{KEY}:ann:2", f"key:{KEY}:bob"],
        ),
    ],
    ids=["anonymous", "person", "key", "user of a key"],
)
def test_a_caller_owns_what_its_subject_left(
    identity: Identity, owned: list[str], foreign: list[str]
) -> None:
    assert all(map(identity.owns, owned))
    assert not any(map(identity.owns, foreign))


def test_only_a_key_speaks_for_others() -> None:
    for identity in (Identity(TENANT), Identity(TENANT, subject="ann")):
        assert identity.on_behalf_of("bob") == identity
