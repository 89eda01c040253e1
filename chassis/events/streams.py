"""Declares streams and durable consumers before the services start, with an operator's login.

The services' logins may then only use them. Declarations derive from the handler tables of the services.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import nats
import structlog
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from pydantic import Field, PositiveFloat, PositiveInt, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.events.bus import consumer_config, inbox, publisher, stream_config, stream_name

log = structlog.get_logger(__name__)

IDENTITY = "streams"
_REQUEST_SECONDS = 5.0


class StreamSettings(BaseSettings):
    """Prefix `STREAMS_`."""

    model_config = SettingsConfigDict(env_prefix="STREAMS_", extra="ignore", env_ignore_empty=True)

    nats_url: str = Field(default="nats://nats:4222", description="NATS servers, comma separated")
    nats_user: str | None = None
    nats_password: SecretStr | None = None
    stream_replicas: PositiveInt = Field(default=1, description="JetStream replicas of each stream")
    patience_seconds: PositiveFloat = Field(default=120.0, description="seconds to wait for NATS")


@dataclass(frozen=True, slots=True)
class Declaration:
    """The event types that one service consumes, by full name."""

    service: str
    consumes: Sequence[str]

    def consumers(self) -> Mapping[str, list[str]]:
        """The consumed types by publisher."""
        found: dict[str, list[str]] = {}
        for event_type in sorted(self.consumes):
            found.setdefault(publisher(event_type), []).append(event_type)
        return found


async def declare(declarations: Iterable[Declaration], settings: StreamSettings) -> None:
    """Creates missing streams and consumers and updates existing ones. Repeatable; deletes nothing."""
    declarations = list(declarations)
    password = settings.nats_password and settings.nats_password.get_secret_value()
    credentials: dict[str, Any] = {"user": settings.nats_user, "password": password} if settings.nats_user else {}
    deadline = time.monotonic() + settings.patience_seconds
    while True:
        try:
            client = await nats.connect(
                servers=settings.nats_url.split(","),
                name=IDENTITY,
                inbox_prefix=inbox(IDENTITY),
                max_reconnect_attempts=1,
                error_cb=_quietly,
                **credentials,
            )
            try:
                await _declare_all(client.jetstream(timeout=_REQUEST_SECONDS), declarations, settings.stream_replicas)
            finally:
                await client.close()
        except (Error, OSError) as error:
            # A starting cluster accepts connections before it has a leader.
            if time.monotonic() >= deadline:
                raise
            log.info("NATS is not ready", error=str(error) or type(error).__name__)
            await asyncio.sleep(1.0)
        else:
            return


async def _declare_all(js: JetStreamContext, declarations: Sequence[Declaration], replicas: int) -> None:
    for declaration in declarations:
        await _declare_stream(js, declaration.service, replicas)
    for declaration in declarations:
        for stream, types in declaration.consumers().items():
            await js.add_consumer(stream_name(stream), consumer_config(declaration.service, stream, types))
            log.info("consumer", service=declaration.service, stream=stream, types=len(types))


async def _declare_stream(js: JetStreamContext, service: str, replicas: int) -> None:
    try:
        found = (await js.stream_info(stream_name(service))).config
    except NotFoundError:
        await js.add_stream(stream_config(service, replicas))
    else:
        # Limits stay as the operator changed them; the number of replicas is set by this command.
        if found.num_replicas != replicas:
            await js.update_stream(found.evolve(num_replicas=replicas))
    log.info("stream", service=service, replicas=replicas)


async def _quietly(error: Exception) -> None:
    log.debug("NATS", error=str(error) or type(error).__name__)
