"""Clients of AWS's services, made one way.

Region, credentials and endpoints are those of the AWS SDK's default chain: its environment variables
(`AWS_ENDPOINT_URL[_SERVICE]` among them), its files, the task's or instance's role.
"""

import os
from typing import Any

from rag.errors import InvalidInputError

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 30.0  # between two pieces of an answer, not for all of it


def aws_region() -> str | None:
    """The region that is set; boto3 itself doesn't know AWS_REGION."""
    from boto3.session import Session  # noqa: PLC0415 - a second that only those pay who use it

    return os.environ.get("AWS_REGION") or Session().region_name


def aws_client(
    service: str,
    *,
    needed_by: str,
    region: str | None = None,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    read_timeout_s: float = READ_TIMEOUT_S,
    connections: int = 10,
) -> Any:
    """A client, which several threads may use. Making one takes a fifth of a second.

    It never repeats a call: whoever calls this does, by rules of its own. It blocks: call it in a thread.

    Args:
        service: Its name in the SDK, such as `bedrock-runtime`.
        needed_by: The setting that asks for it, for messages.
        region: Instead of the one that is set.
        connect_timeout_s: Longest wait for a connection.
        read_timeout_s: Longest silence of the server.
        connections: Calls at a time that keep their connection for the next one.

    Raises:
        InvalidInputError: There is no region, or a profile or endpoint that can't be.
    """
    from boto3.session import Session  # noqa: PLC0415 - a second that only those pay who use it
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    config = Config(
        connect_timeout=connect_timeout_s,
        read_timeout=read_timeout_s,
        retries={"total_max_attempts": 1},
        max_pool_connections=connections,
        # Else forms for uploads are signed by version 2, which encrypted buckets refuse.
        signature_version="s3v4" if service == "s3" else None,
        # An emulator's host name has no subdomain for each bucket. "auto" would send forms for uploads to the
        # global host, which knows a new bucket only after hours.
        s3={"addressing_style": "path" if _own_endpoint("S3") else "virtual"},
    )
    try:
        region = region or aws_region()
        if not region:
            raise InvalidInputError(f"{needed_by} needs AWS_REGION")
        return Session().client(service, region_name=region, config=config)
    except (BotoCoreError, ValueError) as exc:
        raise InvalidInputError(f"{needed_by}: {exc}") from exc


def _own_endpoint(service: str) -> str | None:
    return os.environ.get(f"AWS_ENDPOINT_URL_{service}") or os.environ.get("AWS_ENDPOINT_URL")
