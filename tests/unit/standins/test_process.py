"""The stand-in as a process of its own, and its calls."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError

from rag.aws.clients import aws_client
from tests.standins.aws import use_bedrock

PARAMS = {
    "modelId": "amazon.nova-lite-v1:0",
    "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
}


@pytest.fixture
def url() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.standins.bedrock", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        try:
            yield said.removeprefix("listening on ").strip()
        finally:
            process.terminate()


def control(url: str, name: str, settings: Any = None) -> dict[str, Any]:
    body = None if settings is None else json.dumps(settings).encode()
    with urlopen(Request(f"{url}/_standin/{name}", body)) as response:
        found: dict[str, Any] = json.load(response)
    return found


def test_it_is_scripted_over_http(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_bedrock(monkeypatch, url)
    client = aws_client("bedrock-runtime", needed_by="a test")
    fault = {"kind": "throttle", "operations": ["Converse"]}
    control(url, "script", {"reply": "Hi.", "faults": [fault], "denied_models": ["cohere.embed-v4:0"]})
    with pytest.raises(ClientError, match="ThrottlingException"):
        client.converse(**PARAMS)
    assert client.converse(**PARAMS)["output"]["message"]["content"] == [{"text": "Hi."}]
    with pytest.raises(ClientError, match="AccessDenied"):
        client.invoke_model(modelId="cohere.embed-v4:0", body=b"{}")
    seen = control(url, "calls")
    assert seen["counts"] == {"Converse": 2, "InvokeModel": 1}
    assert seen["calls"][0]["params"] == PARAMS
    assert seen["calls"][0]["region"] == "eu-central-1"
    assert seen["violations"] == []
    control(url, "reset", {})
    assert control(url, "calls")["counts"] == {}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"replies": "Hi."}, "'replies' is none of"),
        ({"calls": []}, "'calls' is none of"),
        ({"faults": [{"kind": "flood"}]}, "'flood' is none of"),
        ({"faults": [{"kind": "cut", "often": 3}]}, "often"),
        ([], "items"),
    ],
)
def test_a_script_that_says_nothing_is_refused(url: str, settings: Any, said: str) -> None:
    with pytest.raises(HTTPError, match="400") as caught:
        control(url, "script", settings)
    assert said in json.load(caught.value)["message"]
    caught.value.close()


def test_other_calls_are_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("_standin/wishes", "model/x/guess"):
        with pytest.raises(HTTPError, match="404") as caught:
            urlopen(f"{url}/{path}")
        caught.value.close()
    (violation,) = control(url, "calls")["violations"]
    assert "GET /model/x/guess" in violation
