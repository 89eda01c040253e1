"""Where contenders meet: the platform's stack, the baselines beside it, and what the requests are about."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import httpx
import nats
import psutil
import psycopg

from bench.contest import Contender
from bench.cpu import Roots
from bench.material import Material
from bench.stack import Stack, StackFailed
from chassis.events.bus import stream_name
from devstack.certificates import SERVICES
from devstack.daemons import Daemon, inherited, suspended
from devstack.place import ROOT
from devstack.ports import LOOPBACK, accepts, free_port
from devstack.services import TOKEN_AUDIENCE, TOKEN_ISSUER

ORM, RAW, PLATFORM = "FastAPI + ORM", "FastAPI + SQL by hand", "platform"
ONE_PROCESS, NO_LISTENERS = f"{ORM}, one process", f"{PLATFORM}, nobody listens"
# Who only hears of orders: the baselines have nobody for mails, points, figures and ratings.
LISTENERS = frozenset({"notification", "loyalty", "analytics", "review"})
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
        """Both variants with as many processes as the machine has cores; given time, also one process alone."""
        keys = self.directory / "jwks.json"
        keys.write_bytes(httpx.get(f"{self.stack.url}/.well-known/jwks.json").raise_for_status().content)
        database_url = self.material.prepare_baseline()
        variants = {ORM: ["orm"], RAW: ["raw"]} | ({} if self.fast else {ONE_PROCESS: ["orm", "--workers=1"]})
        for number, (name, variant) in enumerate(variants.items()):
            port = free_port()
            arguments = [*variant, f"--port={port}", f"--database-url={database_url}", f"--jwks={keys}"]
            arguments += [f"--issuer={TOKEN_ISSUER}", f"--audience={TOKEN_AUDIENCE}"]
            daemon = self.program(f"baseline-{number + 1}", "bench.baseline", *arguments)
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

    def monoliths(self) -> list[Contender]:
        """The baselines; first the one that everybody is compared with."""
        postgres = self._root("postgres")
        return [
            Contender(name, self._urls[name], {"app": daemon.process, "postgres": postgres})
            for name, daemon in self.baselines.items()
        ]

    def platform(self, *, settle: bool = False) -> Contender:
        """The platform through its edge. With `settle` the background work that requests set off counts too."""
        names = ("edge", *SERVICES, "postgres", "nats", "mailbox")
        roots = {name: self._root(name) for name in names}
        if settle:
            return Contender(PLATFORM, self.stack.url, roots, settle=self.settle)
        return Contender(PLATFORM, self.stack.url, roots)

    def without_listeners(self) -> Contender:
        """The platform with little more to do than the baselines: listeners stand still until the turn is over."""
        awake = self.platform()
        roots = {name: root for name, root in awake.roots.items() if name not in LISTENERS}
        settle = partial(self.settle, set(SERVICES) - LISTENERS)
        return Contender(NO_LISTENERS, awake.url, roots, settle=settle, during=self._listeners_asleep)

    @contextmanager
    def _listeners_asleep(self) -> Iterator[None]:
        daemons = self.stack.processes.all()
        with suspended(*(daemons[name] for name in LISTENERS)):
            yield
        self.settle()

    def _root(self, name: str) -> Roots:
        daemon = self.stack.processes.all()[name]
        return daemon.process

    # Waiting for what goes on in the background

    def settle(self, services: Collection[str] = SERVICES) -> None:
        """Returns when these services have published and handled every event and sent every mail."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while not self.is_settled(services):
            if time.monotonic() > deadline:
                raise StackFailed(f"events or mails are still under way after {_SETTLE_SECONDS:.0f} s")
            time.sleep(_LOOK_SECONDS)

    def is_settled(self, services: Collection[str] = SERVICES) -> bool:
        if any(self._connections[name].execute(_UNPUBLISHED).fetchone() for name in services):
            return False
        if not asyncio.run(_consumed(self.stack.processes.nats.url, services)):
            return False
        if "notification" not in services:
            return True
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


async def _consumed(url: str, services: Collection[str]) -> bool:
    """Whether these services have acknowledged everything in the streams that they hear."""
    client = await nats.connect(url)
    try:
        js = client.jetstream()
        for service in SERVICES:
            for consumer in await js.consumers_info(stream_name(service)):
                if consumer.name in services and (consumer.num_pending or consumer.num_ack_pending):
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
