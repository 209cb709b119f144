"""SageMaker's Model Registry: a package group for each model, a package for each version, files in S3.

A package needs no container: nothing is deployed from it. Its metadata names the files, and its approval
status is the version's state.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

from rag.aws.clients import aws_client
from rag.errors import GroundworkError, NotFoundError, UnavailableError
from rag.model_registry.types import ModelState, ModelVersion, RegisteredModel, check_name
from rag.sources.s3 import s3_client
from rag.sources.s3_errors import aws_errors

_STATUS = {
    ModelState.CANDIDATE: "PendingManualApproval",
    ModelState.APPROVED: "Approved",
    ModelState.REJECTED: "Rejected",
}
_STATE = {status: state for state, status in _STATUS.items()}
_THERE = re.compile("already exist", re.IGNORECASE)
FOLDER, BY = "folder", "by"  # of a package's metadata
CARD_FILE = "card.json"


class SageMakerRegistry:
    """`ModelRegistry` in SageMaker, with the files in a bucket.

    Args:
        bucket: Of the files.
        prefix: A folder in it; "" for all of the bucket.
        kms_key: Id or ARN of the key to encrypt the files with; None encrypts with S3's own.
    """

    def __init__(self, bucket: str, prefix: str = "", *, kms_key: str | None = None) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._encryption = {"ServerSideEncryption": "AES256"}
        if kms_key:
            self._encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key}
        self._clients: dict[str, Any] = {}

    def register(self, name: str, files: Mapping[str, bytes], *, by: str) -> ModelVersion:
        folder = f"{self._prefix}{check_name(name)}/{uuid4().hex}/"
        try:
            for file, data in files.items():
                self._put(folder + file, data)
            self._make_group(name)
            return ModelVersion(name, self._make_package(name, folder, by))
        except GroundworkError:
            for file in files:
                with suppress(GroundworkError):
                    self._delete(folder + file)
            raise

    def read(self, model: ModelVersion, file: str) -> bytes:
        package = self._describe(model)
        key = package["CustomerMetadataProperties"][FOLDER] + file
        with aws_errors(f"s3://{self._bucket}/{key}"):
            data: bytes = self._s3().get_object(Bucket=self._bucket, Key=key)["Body"].read()
            return data

    def versions(self, name: str) -> list[RegisteredModel]:
        packages = self._packages(check_name(name))
        return [self._registered(ModelVersion(name, number)) for number in sorted(packages)]

    def set_state(self, model: ModelVersion, state: ModelState, *, by: str) -> None:
        package = self._describe(model)
        with _sagemaker_errors(str(model)):
            self._sagemaker().update_model_package(
                ModelPackageArn=package["ModelPackageArn"],
                ModelApprovalStatus=_STATUS[state],
                CustomerMetadataProperties={**package["CustomerMetadataProperties"], BY: by},
            )

    def _registered(self, model: ModelVersion) -> RegisteredModel:
        package = self._describe(model)
        changed = package.get("LastModifiedTime") or package.get("CreationTime")
        return RegisteredModel(
            model,
            _STATE[package["ModelApprovalStatus"]],
            package["CustomerMetadataProperties"].get(BY, ""),
            changed.isoformat(timespec="seconds") if changed else "",
        )

    def _make_group(self, name: str) -> None:
        from botocore.exceptions import ClientError  # noqa: PLC0415 - a second that only those pay who use it

        with _sagemaker_errors(name):
            try:
                self._sagemaker().describe_model_package_group(ModelPackageGroupName=name)
            except ClientError:  # SageMaker says "does not exist" as a ValidationException
                try:
                    self._sagemaker().create_model_package_group(
                        ModelPackageGroupName=name,
                        ModelPackageGroupDescription="A reranker learned from feedback",
                    )
                except ClientError as exc:
                    if not _THERE.search(str(exc)):  # another process was faster
                        raise

    def _make_package(self, name: str, folder: str, by: str) -> int:
        card = {"ContentType": "application/json", "S3Uri": f"s3://{self._bucket}/{folder}{CARD_FILE}"}
        with _sagemaker_errors(name):
            made = self._sagemaker().create_model_package(
                ModelPackageGroupName=name,
                ModelPackageDescription="Linear reranker; its metadata names the folder of its files",
                ModelApprovalStatus=_STATUS[ModelState.CANDIDATE],
                ModelMetrics={"ModelQuality": {"Statistics": card}},
                CustomerMetadataProperties={FOLDER: folder, BY: by},
            )
        return int(made["ModelPackageArn"].rpartition("/")[2])

    def _describe(self, model: ModelVersion) -> Any:
        found = self._packages(check_name(model.name)).get(model.version)
        if found is None:
            raise NotFoundError(f"there is no model {model}")
        with _sagemaker_errors(str(model)):
            return self._sagemaker().describe_model_package(ModelPackageName=found)

    def _packages(self, name: str) -> dict[int, str]:
        """ARNs by their version."""
        with _sagemaker_errors(name):
            pages = self._sagemaker().get_paginator("list_model_packages").paginate
            return {
                item["ModelPackageVersion"]: item["ModelPackageArn"]
                for page in pages(ModelPackageGroupName=name, ModelPackageType="Versioned")
                for item in page["ModelPackageSummaryList"]
            }

    def _put(self, key: str, data: bytes) -> None:
        with aws_errors(f"s3://{self._bucket}/{key}"):
            self._s3().put_object(Bucket=self._bucket, Key=key, Body=data, **self._encryption)

    def _delete(self, key: str) -> None:
        with aws_errors(f"s3://{self._bucket}/{key}"):
            self._s3().delete_object(Bucket=self._bucket, Key=key)

    def _s3(self) -> Any:
        if "s3" not in self._clients:
            self._clients["s3"] = s3_client()
        return self._clients["s3"]

    def _sagemaker(self) -> Any:
        if "sagemaker" not in self._clients:
            self._clients["sagemaker"] = aws_client("sagemaker", needed_by="the model registry")
        return self._clients["sagemaker"]


@contextmanager
def _sagemaker_errors(what: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above

    try:
        yield
    except ClientError as exc:
        error = exc.response.get("Error", {})
        message = f"SageMaker refuses {what}: {error.get('Code')}: {error.get('Message')}"
        raise UnavailableError(message) from exc
    except BotoCoreError as exc:
        raise UnavailableError(f"SageMaker can't be reached for {what}") from exc
