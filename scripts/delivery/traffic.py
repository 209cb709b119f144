"""The load balancer: which share of the requests the canary gets, and whether its tasks are ready."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scripts.delivery.clients import Clients
from scripts.delivery.errors import FailedError
from scripts.delivery.target import Target

WHOLE = 100  # weights are percent
UNFIT = {"unhealthy", "unavailable"}


@dataclass(frozen=True, slots=True)
class Traffic:
    clients: Clients
    target: Target

    def canary_weight(self) -> int:
        """Percent of the requests that the canary gets now."""
        weights: dict[str, int] = {
            group["TargetGroupArn"]: group["Weight"] for group in self._forward()["TargetGroups"]
        }
        lacking = {self.target.stable_group, self.target.canary_group} - set(weights)
        if lacking:
            raise FailedError(f"The listener doesn't forward to {', '.join(sorted(lacking))}")
        return round(WHOLE * weights[self.target.canary_group] / (sum(weights.values()) or 1))

    def move(self, canary: int) -> None:
        """Give the canary that many percent, and the stable version the rest."""
        weights = {self.target.stable_group: WHOLE - canary, self.target.canary_group: canary}
        forward: dict[str, Any] = {
            "TargetGroups": [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()]
        }
        sticky = self._forward().get("TargetGroupStickinessConfig")
        if sticky:
            forward["TargetGroupStickinessConfig"] = sticky
        self.clients.elbv2.modify_listener(
            ListenerArn=self.target.listener_arn,
            DefaultActions=[{"Type": "forward", "ForwardConfig": forward}],
        )

    def ready(self, group: str) -> int:
        """How many tasks of a group are ready."""
        return self._states(group).count("healthy")

    def unfit(self, group: str) -> int:
        """How many tasks of a group were ready and no longer are."""
        return sum(state in UNFIT for state in self._states(group))

    def _states(self, group: str) -> list[str]:
        found = self.clients.elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return [each["TargetHealth"]["State"] for each in found]

    def _forward(self) -> Mapping[str, Any]:
        listeners = self.clients.elbv2.describe_listeners(ListenerArns=[self.target.listener_arn])[
            "Listeners"
        ]
        action: Mapping[str, Any] = listeners[0]["DefaultActions"][0]
        if "ForwardConfig" not in action:
            raise FailedError("The listener doesn't forward to target groups")
        forward: Mapping[str, Any] = action["ForwardConfig"]
        return forward
