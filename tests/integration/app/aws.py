"""S3 and SQS on the loopback: moto's server, with a bucket whose events come to a queue."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from tests.standins.moto import moto_server
from tests.unit.rag.sources.s3 import use_s3

BUCKET = "handbook"
REGION = "eu-central-1"
MAX_RECEIVES = 2


@dataclass(frozen=True, slots=True)
class Aws:
    """A bucket, its queue, and the queue for what can't be dealt with."""

    s3: Any
    sqs: Any
    queue_url: str
    dead_url: str

    def put(self, key: str, content: str, **more: str) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content.encode(), **more)

    def delete(self, key: str) -> None:
        self.s3.delete_object(Bucket=BUCKET, Key=key)

    def send(self, body: object, url: str | None = None) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.sqs.send_message(QueueUrl=url or self.queue_url, MessageBody=text)

    def waiting(self, url: str) -> int:
        """Messages in a queue, those in somebody's hands included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        said = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(said[name]) for name in names)


@contextmanager
def moto_aws() -> Iterator[Aws]:
    """AWS's clients that are made inside call moto's server."""
    with moto_server() as url, pytest.MonkeyPatch.context() as monkeypatch:
        use_s3(monkeypatch, url)
        s3, sqs = boto3.client("s3", region_name=REGION), boto3.client("sqs", region_name=REGION)
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
        redrive = {"deadLetterTargetArn": _arn(sqs, dead), "maxReceiveCount": MAX_RECEIVES}
        queue = sqs.create_queue(
            QueueName="events", Attributes={"RedrivePolicy": json.dumps(redrive), "VisibilityTimeout": "1"}
        )["QueueUrl"]
        follow = {"QueueArn": _arn(sqs, queue), "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
        s3.put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [follow]}
        )
        yield Aws(s3, sqs, queue, dead)


def _arn(sqs: Any, url: str) -> str:
    said = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(said["Attributes"]["QueueArn"])
