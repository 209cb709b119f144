"""A notice at the end, whatever the end: to the alarms' topic, and to Slack where a webhook is named."""

from dataclasses import dataclass

import httpx

from scripts.delivery.clients import Clients

SUBJECT_LENGTH = 100  # SNS takes no more
TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Notices:
    """Where notices go.

    Args:
        slack_url: An incoming webhook; empty: none.
    """

    clients: Clients
    topic: str
    slack_url: str = ""

    def send(self, subject: str, message: str) -> list[str]:
        """What could not be told, and why: a notice that fails changes nothing about the deployment."""
        failures = []
        try:
            self.clients.sns.publish(TopicArn=self.topic, Subject=_one_line(subject), Message=message)
        except Exception as exc:  # noqa: BLE001 - told by the caller; the deployment has ended already
            failures.append(f"SNS: {exc}")
        if self.slack_url:
            try:
                httpx.post(
                    self.slack_url, json={"text": f"*{subject}*\n{message}"}, timeout=TIMEOUT_S
                ).raise_for_status()
            except (httpx.HTTPError, httpx.InvalidURL) as exc:
                failures.append(
                    f"Slack: {type(exc).__name__}"
                )  # its text may hold the webhook, which is a secret
        return failures


def _one_line(subject: str) -> str:
    plain = subject.encode("ascii", "replace").decode()
    return " ".join(plain.split())[:SUBJECT_LENGTH]
