"""For docker-compose.yml: what the emulator of AWS has to hold, under the names that the settings give.

The documents' bucket tells the queue what comes and goes. May be run again at any time.
"""

import json
import os
from typing import Any

from boto3.session import Session

RECEIVES = 5  # of a message, before it is a dead letter


def make_bucket(s3: Any, name: str) -> None:
    if name not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})


def make_queue(sqs: Any, name: str) -> str:
    """Its ARN. It passes on to dead letters what can't be handled."""
    dead_letters = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    redrive = {"deadLetterTargetArn": _arn(sqs, dead_letters), "maxReceiveCount": RECEIVES}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": json.dumps(redrive)})
    return _arn(sqs, queue)


def main() -> None:
    session = Session(region_name=os.environ["AWS_REGION"])
    s3, sqs = session.client("s3"), session.client("sqs")
    documents = os.environ["DOCUMENTS_BUCKET"]
    for bucket in (documents, os.environ["ARTIFACTS_BUCKET"]):
        make_bucket(s3, bucket)
    queue = make_queue(sqs, os.environ["EVENTS_QUEUE_URL"].rpartition("/")[2])
    told = {"QueueArn": queue, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=documents, NotificationConfiguration={"QueueConfigurations": [told]}
    )


def _arn(sqs: Any, queue: str) -> str:
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    return str(attributes["QueueArn"])


if __name__ == "__main__":
    main()
