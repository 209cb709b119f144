"""`python -m tests.standins.local_aws -- COMMAND…`: a command with an AWS of its own, on this machine.

S3, SQS and Secrets Manager are moto's; Bedrock and Comprehend are the stand-in's. What the command finds in
its environment is what it would find on AWS: endpoints, region, credentials, two buckets, a queue that
the documents' bucket tells of its objects, and models, unless the caller chose other ones.
"""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from boto3.session import Session

from tests.standins.aws import NO_FILES, OF_THE_DEVELOPER, REGION, bedrock_endpoints, credentials
from tests.standins.bedrock.server import bedrock_standin
from tests.standins.moto import moto_server

DOCUMENTS, ARTIFACTS = "groundwork-documents", "groundwork-artifacts"
QUEUE, DEAD_LETTERS = "groundwork-events", "groundwork-events-dead"
SECRET = "groundwork/local"
RECEIVES = 5  # of a message, before it is a dead letter
MODELS = {
    "CHAT_MODEL": "bedrock:eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "EMBEDDING_MODEL": "bedrock:amazon.titan-embed-text-v2:0",
    "RERANK_MODEL": "bedrock:cohere.rerank-v3-5:0",
}
USAGE = "usage: python -m tests.standins.local_aws -- COMMAND [ARGUMENT…]\n"
NO_COMMAND, NOT_FOUND, BY_SIGNAL = 2, 127, 128  # exit codes, as a shell's


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    command = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    if not command:
        sys.stderr.write(USAGE)
        return NO_COMMAND
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # moto's server, which tells of every request
    for name in OF_THE_DEVELOPER:
        os.environ.pop(name, None)
    os.environ.update(NO_FILES)
    with local_aws() as variables:
        for name, value in sorted(variables.items()):
            sys.stderr.write(f"{name}={value}\n")
        return _run(command, {**MODELS, **os.environ, **variables})


@contextmanager
def local_aws() -> Iterator[Mapping[str, str]]:
    """A running AWS, and the variables that lead to it and what is there."""
    with moto_server() as url, bedrock_standin() as bedrock:
        yield {
            **credentials(),
            "AWS_ENDPOINT_URL": url,
            **bedrock_endpoints(bedrock.url),
            **_made(url),
        }


def _made(url: str) -> Mapping[str, str]:
    """Buckets, queues and a secret, under the names of the settings that want them."""
    s3, sqs = _client("s3", url), _client("sqs", url)
    for bucket in (DOCUMENTS, ARTIFACTS):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    dead_letters = sqs.create_queue(QueueName=DEAD_LETTERS)["QueueUrl"]
    redrive = {"deadLetterTargetArn": _arn(sqs, dead_letters), "maxReceiveCount": RECEIVES}
    queue = sqs.create_queue(QueueName=QUEUE, Attributes={"RedrivePolicy": json.dumps(redrive)})["QueueUrl"]
    told = {"QueueArn": _arn(sqs, queue), "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=DOCUMENTS, NotificationConfiguration={"QueueConfigurations": [told]}
    )
    _client("secretsmanager", url).create_secret(Name=SECRET, SecretString=json.dumps({"key": "not secret"}))
    return {"DOCUMENTS_BUCKET": DOCUMENTS, "ARTIFACTS_BUCKET": ARTIFACTS, "EVENTS_QUEUE_URL": queue}


def _client(service: str, url: str) -> Any:
    found = credentials()
    session = Session(
        aws_access_key_id=found["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=found["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )
    return session.client(service, endpoint_url=url)


def _arn(sqs: Any, queue: str) -> str:
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    return str(attributes["QueueArn"])


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Until the command ends; SIGINT and SIGTERM are its own to handle."""
    running: list[subprocess.Popen[bytes]] = []
    asked: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        for process in running:
            process.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, forward)
    try:
        # In a group of its own, so that Ctrl-C in a terminal reaches it once.
        process = subprocess.Popen(command, env=environment, process_group=0)
    except OSError as exc:
        sys.stderr.write(f"{command[0]}: {exc.strerror}\n")
        return NOT_FOUND
    running.append(process)
    for early in asked:
        process.send_signal(early)
    code = process.wait()
    return code if code >= 0 else BY_SIGNAL - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
