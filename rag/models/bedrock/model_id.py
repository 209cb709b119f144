"""Names of Bedrock models: plain ids, inference profiles, ARNs of either."""

import re
from dataclasses import dataclass
from typing import Any

from rag.errors import InvalidInputError

ARN = re.compile(r"arn:[^:]*:bedrock:(?P<region>[^:]*):[^:]*:(?P<kind>[a-z-]+)/(?P<name>.+)")
PLAIN = re.compile(r"[a-z-]+\.[A-Za-z0-9.:_-]+")
# What an inference profile that spans regions begins with.
GEOGRAPHIES = ("us.", "us-gov.", "eu.", "apac.", "global.", "jp.", "au.", "ca.", "sa.", "amer.")
APPLICATION_PROFILE = "application-inference-profile"


@dataclass(frozen=True, slots=True)
class BedrockModelId:
    """A model as Bedrock's calls name it.

    Attributes:
        model_id: What is sent: an id or an ARN.
        base: The foundation model's own id, such as `amazon.nova-lite-v1:0`.
        region: The ARN's; None where the service's own applies.
    """

    model_id: str
    base: str
    region: str | None = None

    @property
    def provider(self) -> str:
        """Who made the model, such as `anthropic`."""
        return self.base.partition(".")[0]


def read_model_id(model_id: str, *, setting: str) -> BedrockModelId:
    """The model that `model_id` names. For an application inference profile, Bedrock is asked which it is.

    Args:
        model_id: As configured, without `bedrock:`.
        setting: The setting it stands in, for messages.

    Raises:
        InvalidInputError: It can't be one; or there is no such profile, or no right to ask.
    """
    arn = ARN.fullmatch(model_id)
    if arn is None:
        if not PLAIN.fullmatch(model_id):
            raise InvalidInputError(f"{setting}: {model_id!r} is not the id of a Bedrock model")
        return BedrockModelId(model_id, _without_geography(model_id))
    region = arn["region"] or None
    name = _base_of_profile(model_id, region, setting) if arn["kind"] == APPLICATION_PROFILE else arn["name"]
    return BedrockModelId(model_id, _without_geography(name), region)


def _without_geography(model_id: str) -> str:
    return model_id.partition(".")[2] if model_id.startswith(GEOGRAPHIES) else model_id


def _base_of_profile(arn: str, region: str | None, setting: str) -> str:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as in aws_client

    from rag.aws.clients import aws_client  # noqa: PLC0415

    client: Any = aws_client("bedrock", needed_by=setting, region=region)
    try:
        models = client.get_inference_profile(inferenceProfileIdentifier=arn)["models"]
        return str(models[0]["modelArn"]).rpartition("/")[2]
    except ClientError as exc:
        code = exc.response.get("Error", {}).get("Code")
        raise InvalidInputError(f"{setting}: the inference profile can't be read: {code}") from exc
    except (BotoCoreError, LookupError) as exc:
        raise InvalidInputError(f"{setting}: the inference profile can't be read: {exc}") from exc
