"""AWS's clients of a deployment. Calls may be repeated, which AWS's own retries do."""

from dataclasses import dataclass
from typing import Any

from boto3.session import Session
from botocore.config import Config

CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 5})


@dataclass(frozen=True, slots=True)
class Clients:
    ecr: Any
    ecs: Any
    elbv2: Any
    cloudwatch: Any
    logs: Any
    sns: Any

    @classmethod
    def of(cls, region: str) -> "Clients":
        session = Session(region_name=region)
        names = cls.__dataclass_fields__
        return cls(**{name: session.client(name, config=CONFIG) for name in names})
