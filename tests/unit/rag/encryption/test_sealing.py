import base64
import os
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.encryption.sealing import SEALED, Keyring, Place, versions_of
from rag.encryption.wrapping import LocalKeyWrapper, parse_keys
from rag.errors import InvalidInputError, UnavailableError

PLACE = Place("messages", "content", "5")
RING = Keyring(uuid4(), {1: os.urandom(32), 2: os.urandom(32)}, current=2)
PLAIN = Keyring(RING.tenant_id)
CONTEXT = {"tenant": "a", "version": "1"}


@given(st.text())
def test_what_is_sealed_can_be_read_at_its_place(text: str) -> None:
    for ring in (RING, PLAIN):
        assert ring.unseal(PLACE, ring.seal(PLACE, text)) == text
    sealed = RING.seal(PLACE, text)
    assert sealed is not None
    assert versions_of([sealed, None, text]) == {2}


def test_a_sealed_text_says_nothing() -> None:
    sealed = RING.seal(PLACE, "a secret")
    assert sealed is not None
    assert sealed.startswith(f"{SEALED}2:")
    assert b"secret" not in base64.b64decode(sealed.rpartition(":")[2])
    assert sealed != RING.seal(PLACE, "a secret")
    assert "x" * 32 not in repr(Keyring(uuid4(), {1: b"x" * 32}))


def test_no_text_is_no_text() -> None:
    assert RING.seal(PLACE, None) is None
    assert RING.unseal(PLACE, None) is None


def test_what_an_old_key_sealed_can_still_be_read() -> None:
    old = replace(RING, current=1).seal(PLACE, "old")
    assert RING.unseal(PLACE, old) == "old"


@pytest.mark.parametrize("text", ["gwenc1:2:AAAA", "gwenc0:x", "gwenc", "gwenc1:9:QUJD"])
def test_nobody_writes_what_passes_for_sealed(text: str) -> None:
    stored = PLAIN.seal(PLACE, text)
    assert stored != text
    assert RING.unseal(PLACE, stored) == text


@pytest.mark.parametrize(
    "place",
    [
        replace(PLACE, table="traces"),
        replace(PLACE, column="answer"),
        replace(PLACE, row_id="6"),
    ],
)
def test_a_sealed_text_does_not_open_elsewhere(place: Place) -> None:
    with pytest.raises(UnavailableError, match="belongs somewhere else"):
        RING.unseal(place, RING.seal(PLACE, "x"))


def test_a_sealed_text_does_not_open_for_another_tenant() -> None:
    with pytest.raises(UnavailableError, match="belongs somewhere else"):
        replace(RING, tenant_id=uuid4()).unseal(PLACE, RING.seal(PLACE, "x"))


CHANGES: list[Callable[[str], str]] = [
    lambda sealed: sealed[:-4],
    lambda sealed: f"{SEALED}2:",
    lambda sealed: f"{SEALED}2:AAA",
    lambda sealed: f"{SEALED}1:{sealed.rpartition(':')[2]}",
    lambda sealed: f"{SEALED}3:{sealed.rpartition(':')[2]}",
    lambda sealed: f"gwenc2:{sealed}",
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_text_does_not_open(change: Callable[[str], str]) -> None:
    sealed = RING.seal(PLACE, "a secret")
    assert sealed is not None
    with pytest.raises(UnavailableError):
        RING.unseal(PLACE, change(sealed))


async def test_a_data_key_opens_by_the_key_that_wrapped_it_and_in_its_context() -> None:
    old, new = os.urandom(32), os.urandom(32)
    made = await LocalKeyWrapper((old,)).new_key(CONTEXT)
    assert made.key not in made.wrapped
    assert await LocalKeyWrapper((new, old)).unwrap(made.wrapped, CONTEXT) == made.key
    for keys, context in (((new,), CONTEXT), ((old,), CONTEXT | {"version": "2"})):
        with pytest.raises(UnavailableError, match="FIELD_ENCRYPTION_KEY"):
            await LocalKeyWrapper(keys).unwrap(made.wrapped, context)
    with pytest.raises(UnavailableError):
        await LocalKeyWrapper((old,)).unwrap(b"short", CONTEXT)


def test_keys_are_32_bytes_in_base64() -> None:
    first, second = os.urandom(32), os.urandom(32)
    text = f"{base64.b64encode(first).decode()}, {base64.b64encode(second).decode()}"
    assert parse_keys(text) == (first, second)


@pytest.mark.parametrize("text", ["", "no base64!", base64.b64encode(b"x" * 16).decode(), "é"])
def test_other_keys_are_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(InvalidInputError, match="FIELD_ENCRYPTION_KEY") as raised:
        parse_keys(text)
    assert not text or text not in str(raised.value)
