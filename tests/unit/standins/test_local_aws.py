import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote_plus

LAUNCHER = [sys.executable, "-m", "tests.standins.local_aws", "--"]
# What a service on AWS would do with what it finds there.
LOOK_AROUND = """
import json, os, boto3

def client(service):
    return boto3.client(service, region_name=os.environ["AWS_REGION"])

bucket, queue = os.environ["DOCUMENTS_BUCKET"], os.environ["EVENTS_QUEUE_URL"]
client("s3").put_object(Bucket=bucket, Key="rules/bees and ants.md", Body=b"# Bees")
client("s3").put_object(Bucket=os.environ["ARTIFACTS_BUCKET"], Key="x", Body=b"x")
records, sqs = [], client("sqs")
while messages := sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=0).get("Messages"):
    for message in messages:
        records += json.loads(message["Body"]).get("Records", [])
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
models = {name: os.environ[name].partition(":")[2] for name in ("CHAT_MODEL", "EMBEDDING_MODEL")}
words = [{"role": "user", "content": [{"text": "Hello"}]}]
body = '{"inputText": "a"}'
embedding = client("bedrock-runtime").invoke_model(modelId=models["EMBEDDING_MODEL"], body=body)
print(json.dumps({
    "events": [(record["eventName"], record["s3"]["object"]["key"]) for record in records],
    "dead letters": json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"],
    "secret": client("secretsmanager").get_secret_value(SecretId="groundwork/local")["SecretString"],
    "answer": client("bedrock-runtime").converse(modelId=models["CHAT_MODEL"], messages=words)["stopReason"],
    "dimensions": len(json.loads(embedding["body"].read())["embedding"]),
    "models": len(client("bedrock").list_foundation_models()["modelSummaries"]),
    "rerank": os.environ["RERANK_MODEL"],
    "profile": os.environ.get("AWS_PROFILE"),
}))
raise SystemExit(7)
"""
WAIT_FOR_A_SIGNAL = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(42))
signal.signal(signal.SIGINT, lambda *_: sys.exit(43))
print("ready", flush=True)
signal.pause()
"""


def test_a_command_finds_an_aws_and_its_exit_code_comes_back(tmp_path: Path) -> None:
    script = tmp_path / "look.py"
    script.write_text(LOOK_AROUND)
    chosen = {"AWS_PROFILE": "mine", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9", "RERANK_MODEL": "none"}
    done = subprocess.run(
        [*LAUNCHER, sys.executable, str(script)],
        env={**os.environ, **chosen},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 7, done.stderr
    found = json.loads(done.stdout)
    ((event, key),) = found["events"]
    assert (event, unquote_plus(key)) == ("ObjectCreated:Put", "rules/bees and ants.md")
    assert found["dead letters"].endswith(":groundwork-events-dead")
    assert json.loads(found["secret"]) == {"key": "not secret"}
    assert (found["answer"], found["dimensions"], found["rerank"]) == ("end_turn", 1024, "none")
    assert found["models"] > 20
    assert found["profile"] is None
    assert "AWS_ENDPOINT_URL_BEDROCK_RUNTIME=http://127.0.0.1:" in done.stderr


def test_signals_reach_the_command_and_everything_ends_with_it() -> None:
    for number, code in ((signal.SIGTERM, 42), (signal.SIGINT, 43)):
        command = [*LAUNCHER, sys.executable, "-c", WAIT_FOR_A_SIGNAL]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as launcher:
            assert launcher.stdout is not None
            assert launcher.stdout.readline() == "ready\n"
            launcher.send_signal(number)
            assert launcher.wait(60) == code


def test_no_command_and_one_that_is_not_there_are_named() -> None:
    nothing = subprocess.run(LAUNCHER, capture_output=True, text=True, check=False)
    assert (nothing.returncode, nothing.stderr[:6]) == (2, "usage:")
    missing = subprocess.run([*LAUNCHER, "no-such-command"], capture_output=True, text=True, check=False)
    assert missing.returncode == 127
    assert missing.stderr.endswith("no-such-command: No such file or directory\n")
