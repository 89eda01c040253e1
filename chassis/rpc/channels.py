"""Calls to other services: one kept channel per peer, mTLS, a deadline on every call, failures as refusals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

import grpc
from opentelemetry.propagate import inject

from chassis.clock import now
from chassis.contract import service_methods, services_of
from chassis.errors import Unavailable, from_rpc
from chassis.rpc.call import find_current_call
from chassis.security import tls

Stub = TypeVar("Stub")

DEADLINE_SECONDS = 2.0
# What is kept back of the caller's time, so that this service can still answer when its peer does not.
MARGIN_SECONDS = 0.05
# A name that is not there is looked up by grpc with pauses that grow to two minutes; a new channel looks at once.
LOOK_AGAIN_SECONDS = 2.0
_UNRESOLVED = "errors resolving"
# How long a look at the certificates' files is good for.
LOOK_SECONDS = 1.0
# No call lasts so long.
_RETIREMENT_SECONDS = 60.0


class _Outgoing:
    """A channel for stubs: adds deadline, request id and trace to each call; a failed call raises a DomainError.

    In place of an interceptor of grpc, which wraps each call in another call and a task.
    """

    def __init__(self, channel: grpc.aio.Channel, peer: str, absent: Callable[[str], None]) -> None:
        self._channel, self._peer, self._absent = channel, peer, absent

    def unary_unary(self, path: str, **options: Any) -> Callable[..., Awaitable[Any]]:
        """The one kind of method that services call of each other."""
        send = self._channel.unary_unary(path, **options)

        async def call(request: Any, *, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - as grpc's stubs take it
            try:
                return await send(request, timeout=self._time_left(timeout), metadata=_metadata())
            except grpc.aio.AioRpcError as error:
                if _UNRESOLVED in (error.details() or ""):
                    self._absent(self._peer)
                raise from_rpc(error, self._peer) from error

        return call

    def unary_stream(self, path: str, **options: Any) -> Any:
        """Stubs make one of each method; services do not call those that stream."""
        return self._channel.unary_stream(path, **options)

    def _time_left(self, wanted: float | None) -> float:
        served = find_current_call()
        timeout = wanted or DEADLINE_SECONDS
        if served is not None and served.deadline is not None:
            timeout = min(timeout, served.deadline - now().timestamp() - MARGIN_SECONDS)
        if timeout <= 0:
            raise Unavailable("no time is left for this request", peer=self._peer)
        return timeout


def _metadata() -> tuple[tuple[str, str], ...]:
    carrier: dict[str, str] = {}
    inject(carrier)
    if (served := find_current_call()) is not None:
        carrier["x-request-id"] = served.request_id
    return tuple(carrier.items())


@dataclass(frozen=True, slots=True)
class _Kept:
    """A channel, the certificates that it was made with, and when."""

    channel: grpc.aio.Channel
    stamp: tuple[int, ...]
    since: float


class Channels:
    """Stubs of other services, by name."""

    def __init__(self, files: tls.IdentityFiles, targets: dict[str, str], template: str) -> None:
        self._files, self._targets, self._template = files, targets, template
        self._stamp: tuple[int, ...] = ()
        self._looked_at = -LOOK_SECONDS
        self._channels: dict[str, _Kept] = {}
        self._stubs: dict[tuple[str, type], Any] = {}
        self._retired: list[tuple[float, grpc.aio.Channel]] = []
        self._closing: set[asyncio.Task[None]] = set()

    def stub(self, service: str, stub: Callable[[grpc.aio.Channel], Stub]) -> Stub:
        """The peer's stub, kept for the life of its channel. Get it for each call: certificates rotate."""
        self._look_at_files()
        kept = self._channels.get(service)
        if kept is not None and kept.stamp != self._stamp:
            self._retire(service)
        if service not in self._channels:
            self._channels[service] = _Kept(self._connect(service), self._stamp, monotonic())
        key = (service, stub)
        if key not in self._stubs:
            outgoing: Any = _Outgoing(self._channels[service].channel, service, self._look_again)
            self._stubs[key] = stub(outgoing)  # type: ignore[index]
        return self._stubs[key]  # type: ignore[index,no-any-return]

    def _look_at_files(self) -> None:
        at = monotonic()
        if at - self._looked_at >= LOOK_SECONDS:
            self._stamp, self._looked_at = self._files.stamp(), at

    def _look_again(self, service: str) -> None:
        """The peer's name was not there: the next call looks it up, unless that was done a moment ago."""
        kept = self._channels.get(service)
        if kept is not None and monotonic() - kept.since >= LOOK_AGAIN_SECONDS:
            self._retire(service)

    def _retire(self, service: str) -> None:
        """Calls under way may finish on the old channel; those that retired long ago are closed."""
        at = monotonic()
        self._retired.append((at, self._channels.pop(service).channel))
        self._stubs = {key: value for key, value in self._stubs.items() if key[0] != service}
        while at - self._retired[0][0] > _RETIREMENT_SECONDS:
            closing = asyncio.ensure_future(self._retired.pop(0)[1].close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def _connect(self, service: str) -> grpc.aio.Channel:
        target = self._targets.get(service) or self._template.format(service=service)
        return grpc.aio.secure_channel(
            target,
            tls.channel_credentials(self._files),
            options=[
                ("grpc.service_config", json.dumps(service_config(service))),
                # Certificates name the service, not the address that a replica has today.
                ("grpc.ssl_target_name_override", service),
                ("grpc.keepalive_time_ms", 30_000),
                ("grpc.keepalive_timeout_ms", 5_000),
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.min_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 1_000),
                # Replicas come and go; grpc's own half a minute between two look-ups would be a peer's absence.
                ("grpc.dns_min_time_between_resolutions_ms", 1_000),
            ],
        )

    async def close(self) -> None:
        for kept in self._channels.values():
            await kept.channel.close()
        for _, channel in self._retired:
            await channel.close()


def service_config(service: str) -> dict[str, Any]:
    """Round robin over healthy replicas, ejection of failing ones, and retries of reads.

    There is no `timeout` in it on purpose: grpcio mistakes it (grpc/grpc#34547); the interceptor sets deadlines.
    """
    reads = [
        {"service": path.split("/")[1], "method": path.split("/")[2]}
        for name in services_of(service)
        for path, method in service_methods(name).items()
        if method.is_read
    ]
    retries = {
        "name": reads,
        "retryPolicy": {
            "maxAttempts": 3,
            "initialBackoff": "0.02s",
            "maxBackoff": "0.2s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        },
    }
    ejection = {"threshold": 50, "enforcementPercentage": 100, "minimumHosts": 2, "requestVolume": 10}
    return {
        "loadBalancingConfig": [
            {
                "outlier_detection_experimental": {
                    "interval": "5s",
                    "baseEjectionTime": "15s",
                    "maxEjectionPercent": 50,
                    "failurePercentageEjection": ejection,
                    "childPolicy": [{"round_robin": {}}],
                }
            }
        ],
        "healthCheckConfig": {"serviceName": ""},
        "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.5},
        "methodConfig": [retries] if reads else [],
    }
