"""The registry that a setting names."""

from pathlib import Path

from rag.errors import InvalidInputError
from rag.model_registry.folder import FolderRegistry
from rag.model_registry.s3 import S3Registry
from rag.model_registry.sagemaker import SageMakerRegistry
from rag.model_registry.types import ModelRegistry


def open_registry(place: str, *, kms_key: str | None = None) -> ModelRegistry:
    """The registry of a folder, `s3://bucket/prefix` or `sagemaker://bucket/prefix`.

    Args:
        place: Where it is; nothing is asked or made yet.
        kms_key: Id or ARN of the key to encrypt files in a bucket with.

    Raises:
        InvalidInputError: It names no bucket, or another kind of place.
    """
    scheme, separator, rest = place.partition("://")
    if not separator:
        return FolderRegistry(Path(place))
    bucket, _, prefix = rest.partition("/")
    if not bucket or scheme not in {"s3", "sagemaker"}:
        raise InvalidInputError(
            f"{place!r} is no model registry: write a folder, s3://bucket/prefix or sagemaker://bucket/prefix"
        )
    if scheme == "s3":
        return S3Registry(bucket, prefix, kms_key=kms_key)
    return SageMakerRegistry(bucket, prefix, kms_key=kms_key)
