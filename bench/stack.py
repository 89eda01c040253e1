"""The stack that is measured: started by the user's commands, with rate limits that do not apply."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import httpx
import psutil

from devstack.certificates import SERVICES
from devstack.daemons import Daemon, measure_memory
from devstack.edge import get_http_status
from devstack.health import is_serving
from devstack.ports import free_port
from devstack.rest import Rest
from devstack.run_directory import ROOT, RunDirectory
from devstack.services import Processes

# The limits are per client; a load generator sends the requests of all clients from one address.
LIMITS = dict.fromkeys(("PUBLIC_PER_MINUTE", "USER_PER_MINUTE", "ADMIN_PER_MINUTE", "GUESSES_PER_MINUTE"), "1000000000")
_READY_SECONDS = 60.0


class StackFailed(RuntimeError):
    """A command of the stack failed; the text ends with its output."""


@dataclass(frozen=True)
class Stack:
    """A local stack in a directory of its own."""

    run_directory: RunDirectory
    edge_port: int

    @classmethod
    def at(cls, run_dir: Path) -> Stack:
        """The stack of a directory, with its previous port or a free one."""
        run_directory = RunDirectory(run_dir)
        noted = run_directory.read_note("edge_port")
        return cls(run_directory, int(noted) if noted else free_port())

    @cached_property
    def processes(self) -> Processes:
        return Processes(self.run_directory, self.edge_port)

    @property
    def url(self) -> str:
        return self.processes.edge_url

    @cached_property
    def rest(self) -> Rest:
        return Rest(self.url)

    @property
    def directory(self) -> Path:
        return self.run_directory.path

    def run_command(self, *command: str) -> float:
        """Runs a command of the user, such as `make up`; returns its duration in seconds."""
        environment = {**os.environ, **LIMITS, "RUN_DIR": str(self.directory), "EDGE_PORT": str(self.edge_port)}
        begun = time.monotonic()
        run = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if run.returncode != 0:
            raise StackFailed(f"`{' '.join(command)}` failed:\n{run.stdout[-4000:]}")
        return time.monotonic() - begun

    def up(self) -> float:
        return self.run_command(sys.executable, "-m", "devstack", "up")

    def down(self) -> float:
        return self.run_command(sys.executable, "-m", "devstack", "down")

    def remove(self) -> None:
        """Stops every process with a pid file here, baselines included, and deletes the directory."""
        known = self.processes.all()
        for pid_file in self.run_directory.pid_file("any").parent.glob("*.json"):
            name = pid_file.stem
            if name not in known:
                Daemon(name, [], log=self.run_directory.log(name), pid_file=pid_file).stop()
        self.run_command(sys.executable, "-m", "devstack", "clean")

    def restart_services(self, settings: Mapping[str, str]) -> None:
        """Restarts all nine services with further settings, named without their prefixes."""
        daemons = [self._service(name, settings) for name in SERVICES]
        for daemon in daemons:
            daemon.signal_stop()
        for daemon in daemons:
            daemon.wait_stopped(15.0)
            daemon.start()
        self.wait_healthy()

    def _service(self, name: str, settings: Mapping[str, str]) -> Daemon:
        daemon = self.processes.services[name]
        further = {f"{name.upper()}_{key}": value for key, value in settings.items()}
        daemon.environment = {**daemon.environment, **further}
        return daemon

    def start_replica(self, name: str, settings: Mapping[str, str]) -> tuple[Daemon, int]:
        """Starts a second replica of a service with its own settings; returns it and its gRPC port when ready."""
        daemon = self.processes.make_service(name)
        ports = {key: free_port() for key in ("GRPC_PORT", "HEALTH_PORT", "METRICS_PORT")}
        further = {**settings, **{key: str(port) for key, port in ports.items()}}
        extra = Daemon(
            f"{name}-2",
            daemon.command,
            log=self.run_directory.log(f"{name}-2"),
            pid_file=self.run_directory.pid_file(f"{name}-2"),
            environment={**daemon.environment, **{f"{name.upper()}_{key}": value for key, value in further.items()}},
            directory=daemon.directory,
        )
        extra.start()
        extra.wait_ready(lambda: is_serving(ports["HEALTH_PORT"]), _READY_SECONDS)
        return extra, ports["GRPC_PORT"]

    def wait_healthy(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while get_http_status(self.edge_port, "/healthz") != httpx.codes.OK or not self._all_serve():
            if time.monotonic() > deadline:
                raise StackFailed("the nine services are not ready; see `make logs`")
            time.sleep(0.1)

    def _all_serve(self) -> bool:
        return all(is_serving(self.processes.ports.port(f"{name}-health")) for name in SERVICES)

    def process(self, name: str) -> psutil.Process | None:
        return self.processes.all()[name].process()

    def measure_memory_by_service(self) -> dict[str, float]:
        """Megabytes (PSS) of each service."""
        found = {}
        for name in SERVICES:
            process = self.process(name)
            with suppress(psutil.NoSuchProcess):
                found[name] = measure_memory(process) / 1e6 if process else 0.0
        return found
