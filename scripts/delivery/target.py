"""Where is deployed to: what Terraform's output `deployment` says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scripts.delivery.errors import RefusedError

API, CANARY, WORKER = "api", "api-canary", "worker"
SERVICES = (API, CANARY, WORKER)


@dataclass(frozen=True, slots=True)
class Target:
    """An environment.

    Attributes:
        families: Task definitions by kind: api, worker, migration.
        alarms: What may not go off while a new version gets its share.
        registry: Address of the image's repository.
        url: Where the service is reached.
        canary_key: With it in a header, the canary is asked, whatever the weights.
    """

    region: str
    url: str
    canary_key: str
    registry: str
    cluster: str
    families: Mapping[str, str]
    subnet_ids: tuple[str, ...]
    security_group: str
    listener_arn: str
    stable_group: str
    canary_group: str
    alarms: tuple[str, ...]
    alarms_topic: str
    migration_log_group: str

    @classmethod
    def of(cls, text: str) -> "Target":
        """Read `terraform output -json deployment`.

        Raises:
            RefusedError: It is no such output, or says of the environment what can't be deployed to.
        """
        try:
            return cls._of(json.loads(text))
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as exc:
            what = f"lacks {exc}" if isinstance(exc, KeyError) else f"is no such object ({exc})"
            raise RefusedError(f"DEPLOYMENT is `terraform output -json deployment`, but it {what}") from exc

    @classmethod
    def _of(cls, said: Mapping[str, Any]) -> "Target":
        lacking = set(SERVICES) - set(said["services"])
        if lacking:
            raise RefusedError(f"The cluster has no service {', '.join(sorted(lacking))}")
        if not said["service_alarm"]:
            raise RefusedError("There is no alarm to watch: service_alarm is empty")
        return cls(
            region=said["region"],
            url=said["url"],
            canary_key=said["canary_key"],
            registry=said["registry"],
            cluster=said["cluster"],
            families={kind: said["task_definitions"][kind] for kind in (API, WORKER, "migration")},
            subnet_ids=tuple(said["subnet_ids"]),
            security_group=said["security_group"],
            listener_arn=said["listener_arn"],
            stable_group=said["target_groups"]["stable"],
            canary_group=said["target_groups"]["canary"],
            alarms=(said["service_alarm"],),
            alarms_topic=said["alarms_topic"],
            migration_log_group=said["log_groups"]["migration"],
        )
