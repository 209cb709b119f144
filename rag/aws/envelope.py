"""Data keys from AWS KMS, which keeps the key that wraps them (its guide, "Envelope encryption")."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rag.aws.clients import aws_client
from rag.encryption.wrapping import NewDataKey
from rag.errors import UnavailableError

READ_TIMEOUT_S = 5.0  # an answer takes some 10 ms


class KmsKeyWrapper:
    """`rag.encryption.wrapping.KeyWrapper` by a key of KMS.

    What was wrapped can be unwrapped after another key was chosen, as long as the old one is not deleted.

    Args:
        key_id: Id, ARN or alias of a symmetric key.
    """

    def __init__(self, key_id: str) -> None:
        self._key_id = key_id
        self._made: Any = None

    async def new_key(self, context: Mapping[str, str]) -> NewDataKey:
        answer = await self._call(
            lambda client: client.generate_data_key(
                KeyId=self._key_id, KeySpec="AES_256", EncryptionContext=dict(context)
            )
        )
        return NewDataKey(answer["Plaintext"], answer["CiphertextBlob"])

    async def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        answer = await self._call(
            lambda client: client.decrypt(CiphertextBlob=wrapped, EncryptionContext=dict(context))
        )
        key: bytes = answer["Plaintext"]
        return key

    async def _call(self, call: Callable[[Any], Any]) -> Any:
        def run() -> Any:
            with _kms_errors(self._key_id):
                return call(self._client())

        return await asyncio.to_thread(run)

    def _client(self) -> Any:
        if self._made is None:
            # It would log every answer at DEBUG, and with it the key.
            logging.getLogger("botocore.parsers").setLevel(logging.INFO)
            self._made = aws_client("kms", needed_by="FIELD_ENCRYPTION=kms", read_timeout_s=READ_TIMEOUT_S)
        return self._made


@contextmanager
def _kms_errors(key_id: str) -> Iterator[None]:
    """Whatever KMS says, the text can't be read or written now."""
    from botocore.exceptions import (  # noqa: PLC0415 - a second that only those pay who use it
        BotoCoreError,
        ClientError,
    )

    try:
        yield
    except ClientError as exc:
        code = exc.response.get("Error", {}).get("Code", "an error")
        raise UnavailableError(f"the key {key_id} can't be used: KMS answers {code}") from exc
    except BotoCoreError as exc:
        raise UnavailableError(f"the key {key_id} can't be used: KMS can't be reached") from exc
