"""An open service stays on this machine unless somebody says otherwise in so many words."""

import ipaddress

from app.settings import Settings
from rag.errors import InvalidInputError


def check_binding(settings: Settings) -> None:
    """Refuse to serve an address beyond loopback without authentication.

    Raises:
        InvalidInputError: `HOST` is not loopback and `AUTH_MODE` is not set.
    """
    if settings.auth_mode is None and not is_loopback(settings.host):
        raise InvalidInputError(
            f"HOST={settings.host} would serve everyone who can reach this machine, without authentication. "
            "Set AUTH_MODE=none if that is what you want, or leave HOST at 127.0.0.1."
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`. A name other than `localhost` may be anything: no."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
