"""An environment as Terraform makes it, on moto's server, and what answers at its public address."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
import pytest
from boto3.session import Session

from tests.standins.aws import REGION, credentials, use_aws
from tests.standins.fargate import PORT, Fargate, fargate_before
from tests.standins.http import QuietHandler, http_server

REVISION = "a" * 40
ALARM = "groundwork-test-service"
KEY, CANARY_KEY = "gw_smoke", "c" * 32
NOT_FOUND = "The documents don't answer this."
ANSWERS = {"vacation days do": "28 days.", "lunch": "40 EUR.", "carried over": "By 31 March."}


@dataclass(slots=True)
class ServiceStandIn:
    """What answers at the public address.

    Attributes:
        wrong: Whether the version that the header names gives wrong answers.
        wrong_after: After how many questions without that header answers are wrong.
    """

    wrong: bool = False
    wrong_after: int = 1000
    asked: list[str] = field(default_factory=list)

    def answer(self, query: str, version: str) -> Mapping[str, Any]:
        self.asked.append(version)
        if (self.wrong and version == "canary") or self.asked.count("stable") > self.wrong_after:
            return {"answer": "Perhaps.", "abstained": False, "citations": []}
        found = next((text for words, text in ANSWERS.items() if words in query), None)
        if found is None:
            return {"answer": NOT_FOUND, "abstained": True, "citations": []}
        return {"answer": found, "abstained": False, "citations": [{"index": 1}]}


@dataclass(frozen=True, slots=True)
class World:
    """AWS's side of a deployment.

    Attributes:
        url: Of moto's server itself.
        deployment: What DEPLOYMENT holds.
        before: The revision of each service at the start.
    """

    url: str
    fargate: Fargate
    service: ServiceStandIn
    deployment: Mapping[str, Any]
    notices_url: str
    before: Mapping[str, str]

    def client(self, name: str) -> Any:
        return _client(name, self.url)

    def weights(self) -> tuple[int, int]:
        """Of the stable and the canary version."""
        listener = self.client("elbv2").describe_listeners(ListenerArns=[self.deployment["listener_arn"]])
        groups = listener["Listeners"][0]["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]
        found = {group["TargetGroupArn"]: group["Weight"] for group in groups}
        stable, canary = (self.deployment["target_groups"][name] for name in ("stable", "canary"))
        return found[stable], found[canary]

    def images(self) -> Mapping[str, str]:
        """The tag or digest that each service runs."""
        return {
            name: self.image_of(arn).rpartition("groundwork")[2] for name, arn in self.revisions().items()
        }

    def image_of(self, task_definition: str) -> str:
        found = self.client("ecs").describe_task_definition(taskDefinition=task_definition)
        return str(found["taskDefinition"]["containerDefinitions"][0]["image"])

    def revisions(self) -> Mapping[str, str]:
        found = self.client("ecs").describe_services(cluster="test", services=["api", "api-canary", "worker"])
        return {service["serviceName"]: service["taskDefinition"] for service in found["services"]}

    def tasks(self) -> Mapping[str, int]:
        found = self.client("ecs").describe_services(cluster="test", services=["api", "api-canary", "worker"])
        return {service["serviceName"]: service["desiredCount"] for service in found["services"]}

    def newest(self) -> Mapping[str, int]:
        """Number of the newest revision that a schedule would start, by kind."""
        ecs, newest = self.client("ecs"), {}
        for kind, family in self.deployment["task_definitions"].items():
            active = ecs.list_task_definitions(familyPrefix=family, status="ACTIVE")["taskDefinitionArns"]
            newest[kind] = max(int(arn.rpartition(":")[2]) for arn in active)
        return newest

    def ring(self, state: str = "ALARM") -> None:
        self.client("cloudwatch").set_alarm_state(
            AlarmName=ALARM, StateValue=state, StateReason="5xx over 2 percent"
        )

    def notices(self) -> list[tuple[str, str]]:
        """Subjects and texts of what was told."""
        found = self.client("sqs").receive_message(QueueUrl=self.notices_url, MaxNumberOfMessages=10)
        bodies = [json.loads(message["Body"]) for message in found.get("Messages", [])]
        return [(body["Subject"], body["Message"]) for body in bodies]


@contextmanager
def world(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The first version serves with two tasks; the second one's image is in the registry."""
    url, fargate, service = moto_url, Fargate(), ServiceStandIn()
    try:
        with fargate_before(url, fargate) as aws_url, _serving(service) as service_url:
            made = _make(url, fargate, service, service_url)
            use_aws(monkeypatch, aws_url)
            monkeypatch.setenv("DEPLOYMENT", json.dumps(made.deployment))
            monkeypatch.setenv("SMOKE_API_KEY", KEY)
            monkeypatch.delenv("SLACK_WEBHOOK_URL", raising=False)
            yield made
    finally:
        httpx.post(f"{url}/moto-api/reset")  # what it holds is the process's


@contextmanager
def _serving(service: ServiceStandIn) -> Iterator[str]:
    class Handler(QuietHandler):
        def do_GET(self) -> None:
            self.reply(200, b'{"status": "ok"}', "application/json")

        def do_POST(self) -> None:
            query = json.loads(self.body())["query"]
            if self.headers["X-API-Key"] != KEY:
                self.reply(401, b"{}", "application/problem+json")
                return
            to_canary = self.headers.get("X-Groundwork-Version") == CANARY_KEY
            answer = service.answer(query, "canary" if to_canary else "stable")
            self.reply(200, json.dumps(answer).encode(), "application/json")

    with http_server(Handler) as url:
        yield url


@cache  # a client takes longer to make than a test to run
def _client(name: str, url: str) -> Any:
    keys = credentials()
    session = Session(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], region_name=REGION)
    return session.client(name, endpoint_url=url)


def _make(url: str, fargate: Fargate, service: ServiceStandIn, service_url: str) -> World:
    network = _network(_client("ec2", url))
    listener, groups = _load_balancer(_client("elbv2", url), network)
    families, log_group = _tasks(_client("ecs", url), _client("logs", url))
    topic, queue = _topic(_client("sns", url), _client("sqs", url))
    _alarm(_client("cloudwatch", url))
    fargate.targets = _targets(_client("elbv2", url))
    _services(_client("ecs", url), network, groups, families)
    deployment = {
        "region": REGION,
        "url": service_url,
        "canary_key": CANARY_KEY,
        "registry": _image(_client("ecr", url)),
        "cluster": "test",
        "services": ["api", "api-canary", "worker"],
        "task_definitions": families,
        "subnet_ids": network["subnets"],
        "security_group": network["security_group"],
        "listener_arn": listener,
        "target_groups": groups,
        "service_alarm": ALARM,
        "alarms_topic": topic,
        "log_groups": {"migration": log_group},
    }
    made = World(url, fargate, service, deployment, queue, {})
    return World(url, fargate, service, deployment, queue, made.revisions())


def _network(ec2: Any) -> Mapping[str, Any]:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{at}.0/24", AvailabilityZone=f"{REGION}{zone}")
        for at, zone in enumerate("ab")
    ]
    group = ec2.create_security_group(GroupName="tasks", Description="tasks", VpcId=vpc)["GroupId"]
    return {"vpc": vpc, "subnets": [each["Subnet"]["SubnetId"] for each in subnets], "security_group": group}


def _load_balancer(elbv2: Any, network: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    balancer = elbv2.create_load_balancer(Name="test", Subnets=network["subnets"])["LoadBalancers"][0]
    groups = {
        name: elbv2.create_target_group(
            Name=f"test-{name}", Protocol="HTTP", Port=PORT, VpcId=network["vpc"], TargetType="ip"
        )["TargetGroups"][0]["TargetGroupArn"]
        for name in ("stable", "canary")
    }
    weights = [
        {"TargetGroupArn": groups[name], "Weight": share}
        for name, share in {"stable": 100, "canary": 0}.items()
    ]
    listener = elbv2.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}],
    )["Listeners"][0]
    return listener["ListenerArn"], groups


def _tasks(ecs: Any, logs: Any) -> tuple[dict[str, str], str]:
    for kind in ("api", "worker", "migration"):
        ecs.register_task_definition(
            family=f"test-{kind}",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[
                {
                    "name": "groundwork",
                    "image": "groundwork:old",
                    "memory": 256,  # which moto's RunTask can't do without
                    "environment": [{"name": "ROLE", "value": kind}],
                },
                {"name": "collector", "image": "collector:1", "memory": 64},
            ],
            tags=[{"key": "Environment", "value": "test"}],
        )
    logs.create_log_group(logGroupName="/test/migration")
    return {kind: f"test-{kind}" for kind in ("api", "worker", "migration")}, "/test/migration"


def _services(
    ecs: Any, network: Mapping[str, Any], groups: Mapping[str, str], families: Mapping[str, str]
) -> None:
    ecs.create_cluster(clusterName="test")
    places = {"subnets": network["subnets"], "securityGroups": [network["security_group"]]}
    for name, kind, group, tasks in (
        ("api", "api", "stable", 2),
        ("api-canary", "api", "canary", 0),
        ("worker", "worker", None, 2),
    ):
        balanced = {"containerName": "groundwork", "containerPort": PORT}
        ecs.create_service(
            cluster="test",
            serviceName=name,
            taskDefinition=families[kind],
            desiredCount=tasks,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": places},
            loadBalancers=[{"targetGroupArn": groups[group], **balanced}] if group else [],
        )


def _targets(elbv2: Any) -> Callable[[str, int], None]:
    last: dict[str, int] = {}

    def register(group: str, count: int) -> None:
        """As ECS does: the addresses of running tasks, and no others."""
        if last.get(group) == count:
            return
        last[group] = count
        wanted = {f"10.0.0.{10 + at}" for at in range(count)}
        found = elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        there = {each["Target"]["Id"] for each in found}
        for call, addresses in (
            (elbv2.register_targets, wanted - there),
            (elbv2.deregister_targets, there - wanted),
        ):
            if addresses:
                targets = [{"Id": address, "Port": PORT} for address in sorted(addresses)]
                call(TargetGroupArn=group, Targets=targets)

    return register


def _alarm(cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(
        AlarmName=ALARM,
        Namespace="AWS/ApplicationELB",
        MetricName="HTTPCode_Target_5XX_Count",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="OK", StateReason="")


def _topic(sns: Any, sqs: Any) -> tuple[str, str]:
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    queue = sqs.create_queue(QueueName="notices")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return topic, queue


def _image(ecr: Any) -> str:
    registry = str(ecr.create_repository(repositoryName="groundwork")["repository"]["repositoryUri"])
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": kind, "config": {"digest": "sha256:1"}, "layers": []}
    )
    ecr.put_image(repositoryName="groundwork", imageManifest=manifest, imageTag=REVISION)
    return registry
