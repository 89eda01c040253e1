"""Where contenders meet: the platform's stack, the baselines beside it, and what the requests are about."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import httpx
import nats
import psutil
import psycopg

from bench.contest import Contender
from bench.cpu import Roots
from bench.material import Material
from bench.stack import Stack, StackFailed
from chassis.bus import stream_name
from devstack.certificates import SERVICES
from devstack.daemons import Daemon, inherited
from devstack.place import ROOT
from devstack.ports import LOOPBACK, accepts, free_port
from devstack.services import TOKEN_AUDIENCE, TOKEN_ISSUER

ORM, RAW, PLATFORM = "FastAPI + ORM", "FastAPI + SQL by hand", "platform"
_START_SECONDS = 90.0
_SETTLE_SECONDS = 180.0
_LOOK_SECONDS = 0.1


@dataclass
class Arena:
    """Everything a measure needs."""

    stack: Stack
    fast: bool
    tell: Callable[[str], None]
    material: Material = field(init=False)
    baselines: dict[str, Daemon] = field(default_factory=dict)
    _urls: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.material = Material(self.stack)

    @property
    def directory(self) -> Path:
        return self.stack.directory

    # Contenders

    def start_baselines(self) -> None:
        """Both variants, each with as many processes as the machine has cores."""
        keys = self.directory / "jwks.json"
        keys.write_bytes(httpx.get(f"{self.stack.url}/.well-known/jwks.json").raise_for_status().content)
        database_url = self.material.prepare_baseline()
        for name, variant in ((ORM, "orm"), (RAW, "raw")):
            port = free_port()
            arguments = [variant, f"--port={port}", f"--database-url={database_url}", f"--jwks={keys}"]
            arguments += [f"--issuer={TOKEN_ISSUER}", f"--audience={TOKEN_AUDIENCE}"]
            daemon = self.program(f"baseline-{variant}", "bench.baseline", *arguments)
            daemon.start()
            daemon.wait_ready(lambda port=port: accepts(port), _START_SECONDS)  # type: ignore[misc]
            self.baselines[name], self._urls[name] = daemon, f"http://{LOOPBACK}:{port}"

    def stop_baselines(self) -> None:
        for daemon in self.baselines.values():
            daemon.stop()

    def collector(self) -> Daemon:
        """Where services send the traces that they sample, as in production."""
        return self.program("collector", "bench.collector", f"--port={self._collector_port}")

    @cached_property
    def _collector_port(self) -> int:
        return free_port()

    @property
    def collector_url(self) -> str:
        return f"http://{LOOPBACK}:{self._collector_port}"

    def program(self, name: str, module: str, *arguments: str) -> Daemon:
        """One more process beside the stack's, found again by later commands like those."""
        return Daemon(
            name,
            [sys.executable, "-m", module, *arguments],
            log=self.stack.place.log(name),
            pid_file=self.stack.place.pid_file(name),
            environment=inherited(),
            directory=ROOT,
        )

    def baseline(self, name: str) -> Contender:
        daemon = self.baselines[name]
        return Contender(name, self._urls[name], {"app": daemon.process, "postgres": self._root("postgres")})

    def platform(self, *, settle: bool = False) -> Contender:
        """The platform through its edge. With `settle` the background work that requests set off counts too."""
        names = ("edge", *SERVICES, "postgres", "nats", "mailbox")
        roots = {name: self._root(name) for name in names}
        if settle:
            return Contender(PLATFORM, self.stack.url, roots, settle=self.settle)
        return Contender(PLATFORM, self.stack.url, roots)

    def _root(self, name: str) -> Roots:
        daemon = self.stack.processes.all()[name]
        return daemon.process

    # Waiting for what goes on in the background

    def settle(self) -> None:
        """Returns when every event is published and handled and every mail is out."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while not self.is_settled():
            if time.monotonic() > deadline:
                raise StackFailed(f"events or mails are still under way after {_SETTLE_SECONDS:.0f} s")
            time.sleep(_LOOK_SECONDS)

    def is_settled(self) -> bool:
        if any(connection.execute(_UNPUBLISHED).fetchone() for connection in self._connections.values()):
            return False
        if not asyncio.run(_consumed(self.stack.processes.nats.url)):
            return False
        return self._connections["notification"].execute(_UNSENT).fetchone() is None

    @cached_property
    def _connections(self) -> Mapping[str, psycopg.Connection[tuple[object, ...]]]:
        postgres = self.stack.processes.postgres
        return {name: psycopg.connect(postgres.url(name), autocommit=True) for name in SERVICES}

    def connection(self, service: str) -> psycopg.Connection[tuple[object, ...]]:
        """A look into one service's database, as its own login."""
        return self._connections[service]


_UNPUBLISHED = "SELECT 1 FROM outbox WHERE published_at IS NULL LIMIT 1"
_UNSENT = "SELECT 1 FROM dispatches WHERE state IN ('pending', 'sending') AND due_at < now() LIMIT 1"


async def _consumed(url: str) -> bool:
    """Whether every service has acknowledged everything in the streams that it hears."""
    client = await nats.connect(url)
    try:
        js = client.jetstream()
        for service in SERVICES:
            for consumer in await js.consumers_info(stream_name(service)):
                if consumer.num_pending or consumer.num_ack_pending:
                    return False
        return True
    finally:
        await client.close()


@contextmanager
def running(daemon: Daemon) -> Iterator[psutil.Process]:
    """The daemon for as long as the block runs."""
    daemon.start()
    try:
        process = daemon.process()
        if process is None:
            raise StackFailed(f"{daemon.name} ended at once; see {daemon.log}")
        yield process
    finally:
        daemon.stop()
