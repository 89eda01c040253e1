"""What every measure uses: the platform's stack, the baselines, the dataset, and waiting for background work."""

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

from bench.cpu import Roots
from bench.dataset import Dataset
from bench.rounds import Contender
from bench.stack import Stack, StackFailed
from chassis.events.bus import stream_name
from devstack.certificates import SERVICES
from devstack.daemons import Daemon, inherit_environment, suspended
from devstack.ports import LOOPBACK, accepts, free_port
from devstack.run_directory import ROOT
from devstack.services import TOKEN_AUDIENCE, TOKEN_ISSUER

ORM, RAW, PLATFORM = "FastAPI + ORM", "FastAPI + SQL by hand", "platform"
ONE_PROCESS, ORDER_PATH_ONLY = f"{ORM}, one process", f"{PLATFORM}, order path only"
# Services that only consume events of orders. The baselines have no emails, points, figures or ratings.
EVENT_CONSUMERS = frozenset({"notification", "loyalty", "analytics", "review"})
_START_SECONDS = 90.0
_SETTLE_SECONDS = 180.0
_POLL_SECONDS = 0.1


@dataclass
class BenchContext:
    """Stack, dataset and baselines of one benchmark run."""

    stack: Stack
    fast: bool
    show_detail: Callable[[str], None]
    dataset: Dataset = field(init=False)
    baselines: dict[str, Daemon] = field(default_factory=dict)
    _urls: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dataset = Dataset(self.stack)

    @property
    def directory(self) -> Path:
        return self.stack.directory

    # Contenders

    def start_baselines(self) -> None:
        """Both variants with one process per core; in a full run also the ORM variant with a single process."""
        keys = self.directory / "jwks.json"
        keys.write_bytes(httpx.get(f"{self.stack.url}/.well-known/jwks.json").raise_for_status().content)
        database_url = self.dataset.prepare_baseline()
        variants = {ORM: ["orm"], RAW: ["raw"]} | ({} if self.fast else {ONE_PROCESS: ["orm", "--workers=1"]})
        for number, (name, variant) in enumerate(variants.items()):
            port = free_port()
            arguments = [*variant, f"--port={port}", f"--database-url={database_url}", f"--jwks={keys}"]
            arguments += [f"--issuer={TOKEN_ISSUER}", f"--audience={TOKEN_AUDIENCE}"]
            daemon = self.make_daemon(f"baseline-{number + 1}", "bench.baseline", *arguments)
            daemon.start()
            daemon.wait_ready(lambda port=port: accepts(port), _START_SECONDS)  # type: ignore[misc]
            self.baselines[name], self._urls[name] = daemon, f"http://{LOOPBACK}:{port}"

    def stop_baselines(self) -> None:
        for daemon in self.baselines.values():
            daemon.stop()

    def make_collector(self) -> Daemon:
        """Receives the sampled traces of the services, as in production."""
        return self.make_daemon("collector", "bench.collector", f"--port={self._collector_port}")

    @cached_property
    def _collector_port(self) -> int:
        return free_port()

    @property
    def collector_url(self) -> str:
        return f"http://{LOOPBACK}:{self._collector_port}"

    def make_daemon(self, name: str, module: str, *arguments: str) -> Daemon:
        """A further process with log and pid file in the stack's directory."""
        return Daemon(
            name,
            [sys.executable, "-m", module, *arguments],
            log=self.stack.run_directory.log(name),
            pid_file=self.stack.run_directory.pid_file(name),
            environment=inherit_environment(),
            directory=ROOT,
        )

    def monoliths(self) -> list[Contender]:
        """The baselines. All ratios are to the first one."""
        postgres = self._root("postgres")
        return [
            Contender(name, self._urls[name], {"app": daemon.process, "postgres": postgres})
            for name, daemon in self.baselines.items()
        ]

    def platform(self, *, settle: bool = False) -> Contender:
        """The platform through its edge. `settle`: processor time includes the background work of the requests."""
        names = ("edge", *SERVICES, "postgres", "nats", "mailbox")
        roots = {name: self._root(name) for name in names}
        if settle:
            return Contender(PLATFORM, self.stack.url, roots, settle=self.settle)
        return Contender(PLATFORM, self.stack.url, roots)

    def order_path_only(self) -> Contender:
        """The platform with the work of the baselines only: event consumers are suspended until the turn ends."""
        platform = self.platform()
        roots = {name: root for name, root in platform.roots.items() if name not in EVENT_CONSUMERS}
        settle = partial(self.settle, set(SERVICES) - EVENT_CONSUMERS)
        return Contender(ORDER_PATH_ONLY, platform.url, roots, settle=settle, during=self._consumers_suspended)

    @contextmanager
    def _consumers_suspended(self) -> Iterator[None]:
        daemons = self.stack.processes.all()
        with suspended(*(daemons[name] for name in EVENT_CONSUMERS)):
            yield
        self.settle()

    def _root(self, name: str) -> Roots:
        daemon = self.stack.processes.all()[name]
        return daemon.process

    # Background work

    def settle(self, services: Collection[str] = SERVICES) -> None:
        """Waits until these services have published and handled every event and sent every email."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while not self.is_settled(services):
            if time.monotonic() > deadline:
                raise StackFailed(f"events or emails are still pending after {_SETTLE_SECONDS:.0f} s")
            time.sleep(_POLL_SECONDS)

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
        """A connection to one service's database, with its own login."""
        return self._connections[service]


_UNPUBLISHED = "SELECT 1 FROM outbox WHERE published_at IS NULL LIMIT 1"
_UNSENT = "SELECT 1 FROM dispatches WHERE state IN ('pending', 'sending') AND due_at < now() LIMIT 1"


async def _consumed(url: str, services: Collection[str]) -> bool:
    """Whether these services have acknowledged all events of the streams they consume."""
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
    """Starts the daemon and stops it after the block."""
    daemon.start()
    try:
        process = daemon.process()
        if process is None:
            raise StackFailed(f"{daemon.name} ended immediately; log: {daemon.log}")
        yield process
    finally:
        daemon.stop()
