"""The Terraform configuration, applied from nothing, on moto's server."""

import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from app.settings import Settings
from tests.infra.emulator import emulator, environment_for
from tests.infra.terraform import PROGRAM, SOURCE, Terraform, TerraformError, copy_to, unsupported
from tests.standins.aws import REGION, use_aws

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs Terraform")

ENVIRONMENT = "production"
LIMIT_S = 600  # from nothing to nothing
LEAST_KINDS = 45
ROLES = ("execution", "api", "worker", "migration")
STATE_BUCKET = "groundwork-terraform-state"
# There are no host names for buckets here, and a call that fails is not to be repeated for minutes.
PROVIDER = """
provider "aws" {
  s3_use_path_style = true
  max_retries       = 2
}
"""
HERE: Mapping[str, Any] = {"Filters": [{"Name": "state", "Values": ["pending", "available"]}]}
# Calls that list things, with what they have to be given. Deleted keys and clusters are listed for a while:
# what counts is that a key's alias is gone, and the cluster's tasks.
KINDS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("backup", "list_backup_plans"): {},
    ("backup", "list_backup_vaults"): {},
    ("cloudwatch", "describe_alarms"): {},
    ("cloudwatch", "list_dashboards"): {},
    ("cognito-idp", "list_user_pools"): {"MaxResults": 10},
    ("ec2", "describe_addresses"): {},
    ("ec2", "describe_flow_logs"): {},
    ("ec2", "describe_internet_gateways"): {},
    ("ec2", "describe_nat_gateways"): HERE,
    ("ec2", "describe_route_tables"): {},
    ("ec2", "describe_security_groups"): {},
    ("ec2", "describe_subnets"): {},
    ("ec2", "describe_vpcs"): {},
    ("ecr", "describe_repositories"): {},
    ("ecs", "list_task_definitions"): {"status": "ACTIVE"},
    ("elbv2", "describe_load_balancers"): {},
    ("elbv2", "describe_target_groups"): {},
    ("events", "list_rules"): {},
    ("iam", "list_open_id_connect_providers"): {},
    ("iam", "list_roles"): {},
    ("kms", "list_aliases"): {},
    ("logs", "describe_log_groups"): {},
    ("rds", "describe_db_instances"): {},
    ("rds", "describe_db_parameter_groups"): {},
    ("rds", "describe_db_subnet_groups"): {},
    ("rds", "describe_event_subscriptions"): {},
    ("s3", "list_buckets"): {},
    ("scheduler", "list_schedules"): {},
    ("secretsmanager", "list_secrets"): {},
    ("sns", "list_subscriptions"): {},
    ("sns", "list_topics"): {},
    ("sqs", "list_queues"): {},
    ("wafv2", "list_web_acls"): {"Scope": "REGIONAL"},
}


@pytest.fixture
def url() -> Iterator[str]:
    with emulator() as address:
        yield address


@pytest.fixture
def bootstrap(url: str, tmp_path: Path) -> Terraform:
    """The bucket for the state."""
    folder = copy_to(
        tmp_path / "bootstrap", source=SOURCE / "bootstrap", overrides={"providers_override.tf": PROVIDER}
    )
    terraform = Terraform(folder, environment_for(url))
    terraform.init()
    terraform.apply(seconds=LIMIT_S)
    # It denies what comes without TLS, and moto, which has none, denies without looking at conditions.
    _client("s3", url).delete_bucket_policy(Bucket=STATE_BUCKET)
    return terraform


@pytest.fixture
def terraform(url: str, tmp_path: Path, bootstrap: Terraform) -> Terraform:
    """The whole, with its state in that bucket, and all options on that the emulator knows."""
    folder = copy_to(tmp_path / "terraform", overrides={"providers_override.tf": PROVIDER})
    variables = {
        "emulated": "true",
        "protected": "false",
        "image_tag": "1",
        "zone_id": _zone(url),
        "github_repository": "example/groundwork",
        "alarm_emails": '["operations@example.com"]',
        "upload_origins": '["https://app.example.com"]',
        "guardrail": '{id="gr1", version="1"}',
    }
    given = [part for name, value in variables.items() for part in ("-var", f"{name}={value}")]
    files = ["-var-file", f"environments/{ENVIRONMENT}.tfvars"]
    terraform = Terraform(folder, environment_for(url), (*files, *given))
    terraform.init(
        f"-backend-config=backends/{ENVIRONMENT}.s3.tfbackend", "-backend-config=use_path_style=true"
    )
    return terraform


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S + 300)  # with the bucket for the state
def test_everything_is_made_stays_as_it_is_and_goes(url: str, terraform: Terraform) -> None:
    before = _made(url)
    began = time.monotonic()

    terraform.apply(seconds=LIMIT_S)
    applied = time.monotonic()
    resources = terraform.resources()
    kinds = set(resources.values())
    _tell(f"{len(resources)} resources of {len(kinds)} types in {applied - began:.0f} s")
    assert len(kinds) >= LEAST_KINDS
    assert [what for what, count in _made(url).items() if count <= before[what]] == []
    assert _state_is_locked_and_kept(url)
    _check_permissions(url)
    _check_settings(url, terraform.output("task_environments"))

    drifts = {(known.resource, known.attribute) for known in unsupported() if known.attribute}
    found = [(change, {(change.kind, name) for name in change.attributes}) for change in terraform.changes()]
    unknown = [change for change, what in found if change.actions != ("update",) or not what <= drifts]
    _tell(f"{len(found)} resources that the emulator doesn't keep as they are")
    planned = time.monotonic()

    _destroy(terraform)
    _tell(f"plan in {planned - applied:.0f} s, destroyed in {time.monotonic() - planned:.0f} s")
    assert terraform.resources() == {}
    assert _made(url) == before
    assert unknown == []
    assert time.monotonic() - began < LIMIT_S


def _destroy(terraform: Terraform) -> None:
    try:
        terraform.destroy(seconds=LIMIT_S)
    except TerraformError as exc:
        # On a busy machine an answer of moto's gets lost; the call is repeated, and what it deletes is gone.
        if "NotFound" not in str(exc):
            raise
        terraform.destroy(seconds=LIMIT_S)


def _client(service: str, url: str) -> Any:
    keys = {"aws_access_key_id": "AKIATEST", "aws_secret_access_key": "secret"}
    return boto3.client(service, region_name=REGION, endpoint_url=url, **keys)


def _zone(url: str) -> str:
    zone = _client("route53", url).create_hosted_zone(Name="example.com", CallerReference="test")[
        "HostedZone"
    ]["Id"]
    return str(zone.rpartition("/")[2])


def _tell(what: str) -> None:
    sys.stdout.write(f"{what}\n")


def _state_is_locked_and_kept(url: str) -> bool:
    versions = _client("s3", url).list_object_versions(Bucket=STATE_BUCKET)
    named = {version["Key"] for version in versions["Versions"]}
    return named == {f"{ENVIRONMENT}/groundwork.tfstate", f"{ENVIRONMENT}/groundwork.tfstate.tflock"}


def _check_permissions(url: str) -> None:
    """Who may change what: everything that is not a way of reading, by role."""
    documents = "arn:aws:s3:::groundwork-production-documents-123456789012"
    artifacts = "arn:aws:s3:::groundwork-production-artifacts-123456789012"
    allowed = {role: _allowed(url, f"groundwork-{ENVIRONMENT}-{role}") for role in ROLES}
    changes = {
        role: {(action, place) for action, place in pairs if action.startswith(("s3:Put", "s3:Delete"))}
        for role, pairs in allowed.items()
    }
    assert changes == {
        "execution": set(),
        "migration": set(),
        "api": {("s3:PutObject", f"{documents}/uploads/*")},
        "worker": {
            ("s3:PutObject", f"{artifacts}/*"),
            ("s3:DeleteObject", f"{artifacts}/*"),
            ("s3:DeleteObjectVersion", f"{artifacts}/*"),
        },
    }
    everywhere = {
        role: {action for action, place in pairs if place == "*"} for role, pairs in allowed.items()
    }
    tracing = {"PutTraceSegments", "PutTelemetryRecords", "GetSamplingRules", "GetSamplingTargets"}
    serving = {"bedrock:Rerank", *(f"xray:{action}" for action in tracing)}
    assert everywhere == {
        "execution": {"ecr:GetAuthorizationToken"},
        "migration": set(),
        "api": serving,
        "worker": serving,
    }
    assert not [pair for pairs in allowed.values() for pair in pairs if pair[0].endswith("*")]


def _allowed(url: str, role: str) -> set[tuple[str, str]]:
    """Actions with the resources that they are allowed on."""
    iam = _client("iam", url)
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policies = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
    assert policies
    return {
        (action, resource)
        for policy in policies
        for statement in policy["Statement"]
        for action in _list(statement["Action"])
        for resource in _list(statement["Resource"])
    }


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _check_settings(url: str, environments: Mapping[str, Mapping[str, str]]) -> None:
    """Tasks start with what they are given: references lead to secrets, and settings make sense together."""
    secrets = _client("secretsmanager", url)
    secrets.put_secret_value(SecretId=environments["api"]["API_KEY_PEPPER"], SecretString="p" * 32)
    for kind, environment in environments.items():
        with pytest.MonkeyPatch.context() as variables:
            use_aws(variables, url)
            for name, value in environment.items():
                variables.setenv(name, value)
            settings = Settings(_env_file=None)
        logins = settings.database_logins()
        assert logins is not None
        assert environment["DB_HOST"] in logins.owner.url
        assert settings.migrate_on_start is False
        assert (settings.events_queue_url is not None) == (kind == "worker")
        assert settings.auth_modes == (set() if kind == "migration" else {"api_key", "oidc"})


def _made(url: str) -> Mapping[str, int]:
    """How many things of each kind there are."""
    found = {}
    for (service, call), given in KINDS.items():
        answer = getattr(_client(service, url), call)(**given)
        found[f"{service}:{call}"] = sum(len(value) for value in answer.values() if isinstance(value, list))
    return found
