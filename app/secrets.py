"""Settings that change while we run: those that refer to a secret, which may be rotated."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import structlog
from pydantic import SecretStr

from app.settings import Settings
from db.addresses import DatabaseLogins, Login, Renewal
from rag.aws.secrets import SecretReader
from rag.errors import InvalidInputError

log = structlog.get_logger(__name__)

RENEW_S = 5.0  # between two fetches for a login that was refused: its password may just be wrong


class LiveSettings:
    """The settings with what their references stand for now. Without references they never change.

    Only text changes; numbers stay as they were at the start.

    Args:
        settings: As they were read at the start.
    """

    def __init__(self, settings: Settings) -> None:
        self._current = settings
        self._reader = SecretReader()
        self._fetching = asyncio.Lock()
        self._renewed_at = -RENEW_S

    @property
    def current(self) -> Settings:
        """As last fetched. Ask for it whenever a secret is used, rather than keep it."""
        return self._current

    def database_logins(self) -> DatabaseLogins | None:
        """Logins that follow the secrets; None stands for the embedded database."""
        logins = self._current.database_logins()
        if logins is None or not self._current.references:
            return logins
        return DatabaseLogins(
            owner=self._follow(logins.owner, lambda now: now.owner),
            app=self._follow(logins.app, lambda now: now.app),
            system=self._follow(logins.system, lambda now: now.system),
            read=self._follow(logins.read, lambda now: now.read) if logins.read else None,
        )

    async def renew(self) -> None:
        """Fetch anew, because a secret was refused; does nothing when that was done within `RENEW_S`."""
        async with self._fetching:
            if time.monotonic() - self._renewed_at >= RENEW_S:
                self._renewed_at = time.monotonic()
                await self._fetch()

    async def keep_fresh(self) -> None:
        """Fetch anew every `SECRETS_REFRESH_S`, until cancelled."""
        while True:
            # Replicas that were started together don't ask together.
            jitter = random.uniform(0.9, 1.1)  # noqa: S311 - not a secret
            await asyncio.sleep(self._current.secrets_refresh_s * jitter)
            async with self._fetching:
                await self._fetch()

    async def _fetch(self) -> None:
        """Take up what is new; what can't be fetched or used stays as it is."""
        references = self._current.references
        read = await asyncio.to_thread(self._reader.read, references)
        for error in read.errors.values():
            log.warning("secret_not_refreshed", error=str(error))
        settings = _with_values(self._current, read.values)
        try:
            settings.database_logins()
        except InvalidInputError as exc:
            log.warning("secrets_make_no_sense", error=str(exc))
            return
        if changed := [name for name in references if _value(settings, name) != _value(self._current, name)]:
            self._current = settings
            log.info("secrets_refreshed", settings=changed)

    def _follow(self, login: Login, choose: Callable[[DatabaseLogins], Login | None]) -> Login:
        def newest_url() -> str:
            logins = self._current.database_logins()
            newest = choose(logins) if logins else None
            return newest.url if newest else login.url

        return replace(login, renewal=Renewal(newest_url, self.renew))


def _with_values(settings: Settings, values: Mapping[str, str]) -> Settings:
    changes: dict[str, object] = {}
    for name, value in values.items():
        kind = type(_value(settings, name))
        if kind in (str, SecretStr):
            changes[name.lower()] = kind(value)
    return settings.model_copy(update=changes)


def _value(settings: Settings, name: str) -> object:
    return getattr(settings, name.lower())


@asynccontextmanager
async def refreshing(live: LiveSettings) -> AsyncIterator[None]:
    """Let the settings follow their secrets in the background."""
    if not live.current.references:
        yield
        return
    task = asyncio.create_task(live.keep_fresh())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
