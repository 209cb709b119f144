"""A model registry in a bucket: `<prefix>/<name>/<version>/`, with the version's files and its state."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from rag.errors import GroundworkError, UnavailableError
from rag.model_registry.folder import STATE_FILE, read_state, state_record
from rag.model_registry.types import ModelState, ModelVersion, RegisteredModel, check_name
from rag.sources.s3 import s3_client
from rag.sources.s3_errors import aws_errors

COMPLETE = "complete"  # written last: a version is there when this is
_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
MOST_TRIES = 100  # numbers that others take while this one looks for a free one


class S3Registry:
    """`ModelRegistry` in a bucket.

    S3 has no rename, so a version begins by taking its number with a conditional write, which only one of
    several can do, and ends with an object that says it is complete. What breaks off in between is taken back
    if that can be done, and else a number that nobody sees.

    Args:
        bucket: Its name.
        prefix: A folder; "" for all of the bucket.
        kms_key: Id or ARN of the key to encrypt with; None encrypts with S3's own.
    """

    def __init__(self, bucket: str, prefix: str = "", *, kms_key: str | None = None) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._encryption = {"ServerSideEncryption": "AES256"}
        if kms_key:
            self._encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key}
        self._made: Any = None

    def register(self, name: str, files: Mapping[str, bytes], *, by: str) -> ModelVersion:
        model = self._take_number(check_name(name), by)
        written = [STATE_FILE]
        try:
            for file, data in {**files, COMPLETE: b""}.items():
                written.append(file)
                self._put(self._key(model, file), data)
        except GroundworkError:
            for file in written:
                with suppress(GroundworkError):
                    self._delete(self._key(model, file))
            raise
        return model

    def read(self, model: ModelVersion, file: str) -> bytes:
        self._get(self._key(model, COMPLETE))
        return self._get(self._key(model, file))

    def versions(self, name: str) -> list[RegisteredModel]:
        numbers = self._numbers(check_name(name), complete=True)
        return [self._state(ModelVersion(name, number)) for number in numbers]

    def set_state(self, model: ModelVersion, state: ModelState, *, by: str) -> None:
        self._state(model)
        self._put(self._key(model, STATE_FILE), state_record(state, by))

    def _state(self, model: ModelVersion) -> RegisteredModel:
        return read_state(model, self.read(model, STATE_FILE))

    def _take_number(self, name: str, by: str) -> ModelVersion:
        first = max(self._numbers(name, complete=False), default=0) + 1
        for number in range(first, first + MOST_TRIES):
            model = ModelVersion(name, number)
            if self._put(self._key(model, STATE_FILE), state_record(ModelState.CANDIDATE, by), new=True):
                return model
        raise UnavailableError(f"no number is free for a version of {name}")

    def _numbers(self, name: str, *, complete: bool) -> list[int]:
        folder = f"{self._prefix}{name}/"
        found = set()
        with aws_errors(f"s3://{self._bucket}/{folder}"):
            pages = self._client().get_paginator("list_objects_v2").paginate
            for page in pages(Bucket=self._bucket, Prefix=folder):
                for item in page.get("Contents", ()):
                    number, _, file = item["Key"].removeprefix(folder).partition("/")
                    if number.isdecimal() and (file == COMPLETE or not complete):
                        found.add(int(number))
        return sorted(found)

    def _put(self, key: str, data: bytes, *, new: bool = False) -> bool:
        """Write an object; with `new`, False if it is there already."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 - a second that only those pay who use it

        condition = {"IfNoneMatch": "*"} if new else {}
        with aws_errors(f"s3://{self._bucket}/{key}"):
            try:
                self._client().put_object(
                    Bucket=self._bucket, Key=key, Body=data, **condition, **self._encryption
                )
            except ClientError as exc:
                if new and str(exc.response.get("Error", {}).get("Code")) in _TAKEN:
                    return False
                raise
        return True

    def _get(self, key: str) -> bytes:
        with aws_errors(f"s3://{self._bucket}/{key}"):
            data: bytes = self._client().get_object(Bucket=self._bucket, Key=key)["Body"].read()
            return data

    def _delete(self, key: str) -> None:
        with aws_errors(f"s3://{self._bucket}/{key}"):
            self._client().delete_object(Bucket=self._bucket, Key=key)

    def _key(self, model: ModelVersion, file: str) -> str:
        return f"{self._prefix}{check_name(model.name)}/{model.version}/{file}"

    def _client(self) -> Any:
        if self._made is None:
            self._made = s3_client()
        return self._made
