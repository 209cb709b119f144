"""What a test sees of the stand-in, and sets."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from tests.standins.bedrock.faults import Fault, drawn

if TYPE_CHECKING:  # a second that only those pay whose chats it answers
    from rag.models.local import LocalModels

Params = Mapping[str, Any]
Rank = Callable[[str, Sequence[str]], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Call:
    """A request that arrived.

    Attributes:
        operation: botocore's name of it.
        model_id: As sent: an id, an inference profile or an ARN; "" for an operation without model.
        params: What boto3's method was called with, rebuilt from the request.
        region: That of the signature.
        authorization: The whole header.
        headers: All of them, their names in lower case.
    """

    operation: str
    model_id: str
    params: Params
    region: str
    authorization: str
    headers: Mapping[str, str]

    @property
    def body(self) -> dict[str, Any]:
        """Of InvokeModel."""
        found: dict[str, Any] = json.loads(self.params["body"])
        return found


@dataclass(slots=True)
class Bedrock:
    """The server from outside. Whatever is set holds for the next call.

    Attributes:
        url: Of the server, for all its services.
        local: Models that answer chats for which no `reply` is set; None until the first such chat.
        calls: What it was asked, in order.
        violations: What was wrong with requests that AWS would refuse too.
        abandoned: Answers whose caller hung up before their end.
        refused: Connections and requests that were turned away while it was down.
        reply: The answer of chats, or what makes it of Converse's parameters; None lets Groundwork's own
            extractive model answer from the prompt.
        tool_input: Arguments of the tool that a request wants called; also the answer where it has a schema.
        rank: Scores of Rerank's texts for a query; None counts the words that they share.
        blocked_words: What guardrails stop.
        blocked_message: What they say instead.
        guardrail_detects_only: Whether they report and let pass.
        denied_models: Ids for which access was not granted.
        credentials_expired: Whether all credentials are.
        wrong_region: "not_enabled" (for the account) or "not_offered" (the models there); "" for neither.
        application_profiles: What application inference profiles stand for, an id or a profile's, by ARN.
        faults: Consumed from the front by calls that match.
        fault_rates: Probabilities of kinds of faults.
        seed: Of their chance.
        token_delay_s: Between two pieces of a stream.
        first_token_delay_s: Before the first piece.
        answer_delay_s: Before an embedding, a ranking and the like.
        down: Whether every connection is closed at once.
    """

    url: str = ""
    local: "LocalModels | None" = None
    calls: list[Call] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    abandoned: int = 0
    refused: int = 0
    reply: str | Callable[[Params], str] | None = None
    tool_input: Mapping[str, Any] = field(default_factory=dict)
    rank: Rank | None = None
    blocked_words: Sequence[str] = ()
    blocked_message: str = "Sorry, the model cannot answer this question."
    guardrail_detects_only: bool = False
    denied_models: set[str] = field(default_factory=set)
    credentials_expired: bool = False
    wrong_region: str = ""
    application_profiles: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    fault_rates: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    token_delay_s: float = 0.0
    first_token_delay_s: float = 0.0
    answer_delay_s: float = 0.0
    down: bool = False
    cached_prefixes: set[bytes] = field(default_factory=set)
    _chance: random.Random | None = None

    def called(self, operation: str) -> list[Call]:
        return [call for call in self.calls if call.operation == operation]

    def script(self, settings: Mapping[str, Any]) -> None:
        """Set attributes by name, as they come in JSON.

        Raises:
            ValueError: A name that is no setting, or a fault that nobody knows.
        """
        for name, value in settings.items():
            if name not in SETTINGS:
                raise ValueError(f"{name!r} is none of {', '.join(sorted(SETTINGS))}")
            setattr(self, name, _READ.get(name, _as_is)(value))
            if name == "seed":
                self._chance = None

    def reset(self) -> None:
        """As it was in the beginning."""
        fresh = Bedrock(self.url, self.local)
        for each in fields(self):
            setattr(self, each.name, getattr(fresh, each.name))

    def next_fault(self, operation: str, model_id: str) -> Fault | None:
        """What goes wrong with this call; it is used up."""
        for at, fault in enumerate(self.faults):
            if fault.matches(operation, model_id):
                if fault.times is not None:
                    rest = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                    self.faults[at : at + 1] = rest
                return fault
        return self._drawn_fault(operation, model_id)

    def _drawn_fault(self, operation: str, model_id: str) -> Fault | None:
        if not self.fault_rates:
            return None
        self._chance = self._chance or random.Random(self.seed)  # noqa: S311 - repeatable on purpose
        fault = drawn(self.fault_rates, self._chance)
        return fault if fault and fault.matches(operation, model_id) else None


_NOT_SET = {
    "url",
    "local",
    "calls",
    "violations",
    "abandoned",
    "refused",
    "rank",
    "cached_prefixes",
    "_chance",
}
SETTINGS = {each.name for each in fields(Bedrock)} - _NOT_SET


def _as_is(value: Any) -> Any:
    return value


def _faults(value: Sequence[Mapping[str, Any]]) -> list[Fault]:
    try:
        return [Fault(**{name: _tuple(part) for name, part in fault.items()}) for fault in value]
    except TypeError as exc:
        raise ValueError(str(exc)) from exc


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


_READ: Mapping[str, Callable[[Any], Any]] = {"faults": _faults, "denied_models": set}
