"""Alarms that a deployment watches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scripts.delivery.clients import Clients
from scripts.delivery.errors import RefusedError


@dataclass(frozen=True, slots=True)
class Alarms:
    clients: Clients
    names: Sequence[str]

    def on(self) -> Mapping[str, str]:
        """Those that have gone off, with the reason.

        Raises:
            RefusedError: One of them isn't there: nothing would be watched.
        """
        found = self.clients.cloudwatch.describe_alarms(
            AlarmNames=list(self.names), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        alarms = [*found.get("MetricAlarms", ()), *found.get("CompositeAlarms", ())]
        lacking = set(self.names) - {alarm["AlarmName"] for alarm in alarms}
        if lacking:
            raise RefusedError(f"There is no alarm {', '.join(sorted(lacking))}")
        return {
            alarm["AlarmName"]: alarm.get("StateReason", "")
            for alarm in alarms
            if alarm["StateValue"] == "ALARM"
        }
