"""The models that the stand-in offers, and the ways to name one."""

import re
from dataclasses import dataclass
from typing import Literal

from tests.standins.bedrock.errors import UNKNOWN_MODEL, refused

Kind = Literal["TEXT", "EMBEDDING", "RERANK"]
ACCOUNT = "123456789012"
# Of inference profiles, with the beginning of the regions from which they can be called.
_GEOGRAPHIES = {
    "us": "us-",
    "eu": "eu-",
    "apac": "ap-",
    "jp": "ap-northeast-",
    "au": "ap-southeast-",
    "global": "",
}
_ARN = re.compile(r"arn:aws[^:]*:bedrock:([a-z0-9-]*):(\d{12})?:([a-z-]+)/(.+)")


@dataclass(frozen=True, slots=True)
class Model:
    """A foundation model.

    Attributes:
        on_demand: Whether its plain id can be called; others need an inference profile.
        profiles: Geographies of its inference profiles.
        caches: Whether it takes cache points.
    """

    id: str
    kind: Kind = "TEXT"
    on_demand: bool = True
    profiles: tuple[str, ...] = ()
    caches: bool = False

    @property
    def provider(self) -> str:
        name = self.id.partition(".")[0]
        return {"ai21": "AI21 Labs", "openai": "OpenAI", "deepseek": "DeepSeek"}.get(name, name.capitalize())

    @property
    def profile_ids(self) -> list[str]:
        return [f"{geography}.{self.id}" for geography in self.profiles]


def _profiled(identifier: str, *profiles: str) -> Model:
    """A model that only inference profiles reach, as all of Anthropic's since Claude 3.7."""
    return Model(identifier, on_demand=False, profiles=profiles, caches=True)


_THREE = ("us", "eu", "apac")
CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
MODELS = {
    model.id: model
    for model in (
        _profiled(CLAUDE, "us", "eu", "jp", "au", "global"),
        _profiled("anthropic.claude-haiku-4-5-20251001-v1:0", "us", "eu", "jp", "au", "global"),
        _profiled("anthropic.claude-opus-4-5-20251101-v1:0", "us", "eu", "global"),
        *(
            _profiled(f"anthropic.claude-{name}", "us", "eu", "global")
            for name in ("sonnet-4-6", "sonnet-5", "sonnet-5-5", "opus-4-6-v1", "opus-4-7", "opus-4-8")
        ),
        *(
            _profiled(f"anthropic.claude-{name}", "us", "eu", "global")
            for name in ("opus-5", "opus-5-5", "fable-5", "fable-5-1")
        ),
        _profiled("anthropic.claude-opus-4-1-20250805-v1:0", "us"),
        _profiled("anthropic.claude-sonnet-4-20250514-v1:0", *_THREE, "global"),
        _profiled("anthropic.claude-3-7-sonnet-20250219-v1:0", *_THREE),
        Model("anthropic.claude-3-5-sonnet-20240620-v1:0", profiles=_THREE),
        Model("anthropic.claude-3-5-haiku-20241022-v1:0", profiles=("us",), caches=True),
        Model("anthropic.claude-3-haiku-20240307-v1:0", profiles=_THREE),
        Model("amazon.nova-micro-v1:0", profiles=_THREE, caches=True),
        Model("amazon.nova-lite-v1:0", profiles=_THREE, caches=True),
        Model("amazon.nova-pro-v1:0", profiles=_THREE, caches=True),
        _profiled("amazon.nova-premier-v1:0", "us"),
        _profiled("amazon.nova-2-lite-v1:0", "us", "eu", "global"),
        Model("meta.llama3-1-70b-instruct-v1:0", profiles=("us",)),
        Model("meta.llama3-3-70b-instruct-v1:0", on_demand=False, profiles=("us",)),
        Model("mistral.mistral-large-2402-v1:0"),
        Model("mistral.pixtral-large-2502-v1:0", on_demand=False, profiles=("us", "eu")),
        Model("cohere.command-r-plus-v1:0"),
        Model("openai.gpt-oss-120b-1:0"),
        Model("amazon.titan-embed-text-v2:0", "EMBEDDING"),
        Model("amazon.titan-embed-text-v1", "EMBEDDING"),
        Model("cohere.embed-english-v3", "EMBEDDING"),
        Model("cohere.embed-multilingual-v3", "EMBEDDING"),
        Model("cohere.embed-v4:0", "EMBEDDING", profiles=("us", "eu", "global")),
        Model("amazon.nova-2-multimodal-embeddings-v1:0", "EMBEDDING"),
        Model("amazon.rerank-v1:0", "RERANK"),
        Model("cohere.rerank-v3-5:0", "RERANK"),
    )
}
PROFILES = {profile: model for model in MODELS.values() for profile in model.profile_ids}


def arn_of_model(model: Model, region: str) -> str:
    return f"arn:aws:bedrock:{region}::foundation-model/{model.id}"


def arn_of_profile(profile: str, region: str) -> str:
    return f"arn:aws:bedrock:{region}:{ACCOUNT}:inference-profile/{profile}"


def behind(name: str) -> Model:
    """The model of that id or inference profile, wherever it is called from."""
    return PROFILES.get(name) or MODELS[name]


def reaches(profile: str, region: str) -> bool:
    """Whether the profile's geography is that of the region; every one is where no region is known."""
    return not region or region.startswith(_GEOGRAPHIES[profile.partition(".")[0]])


def resolve(identifier: str, region: str, applications: dict[str, str]) -> Model:
    """The model behind an id, an inference profile's id or an ARN.

    Raises:
        ApiError: There is none, or it can't be called like this or from this region.
    """
    arn = _ARN.fullmatch(identifier)
    if identifier in applications:
        return behind(applications[identifier])
    if arn and (arn[3] not in {"foundation-model", "inference-profile"} or (region and arn[1] != region)):
        raise UNKNOWN_MODEL
    return _named(arn[4] if arn else identifier, region)


def _named(name: str, region: str) -> Model:
    if name in PROFILES and reaches(name, region):
        return PROFILES[name]
    model = MODELS.get(name)
    if model is None:
        raise UNKNOWN_MODEL
    if not model.on_demand:
        raise refused(
            f"Invocation of model ID {name} with on-demand throughput isn’t supported. "
            "Retry your request with the ID or ARN of an inference profile that contains this model."
        )
    return model
