"""Starts and stops a local stack: order, parallelism, readiness."""

from __future__ import annotations

import fcntl
import http.client
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from devstack import schema
from devstack.certificates import SERVICES
from devstack.daemons import Daemon, DaemonFailed
from devstack.edge import get_http_status
from devstack.ports import accepts, is_free
from devstack.run_directory import DEFAULT_EDGE_PORT, CannotRun, RunDirectory
from devstack.screen import Screen, console
from devstack.services import Processes

_READY_SECONDS = 90.0
_POLL_SECONDS = 0.05
# Longer than DRAIN_SECONDS of the services.
_STOP_SECONDS = 12.0
_LOG_BYTES = 20_000_000


@dataclass(frozen=True)
class Started:
    """Result of `up`: the processes that it started, and its duration."""

    processes: Processes
    names: list[str]
    seconds: float


def up(run_directory: RunDirectory, screen: Screen) -> Started:
    """Starts missing processes and waits until all nine services are ready at the edge.

    Raises CannotRun, DaemonFailed or OSError; processes that were started keep running.
    """
    begun = time.monotonic()
    run_directory.prepare()
    with hold_lock(run_directory), screen.working():
        processes = Processes(run_directory, _choose_edge_port(run_directory))
        running = {name for name, daemon in processes.all().items() if daemon.running}
        if not running:
            _replace_taken_ports(processes)
            processes = Processes(run_directory, processes.edge_port)
        missing = [name for name in processes.all() if name not in running]
        _check_ports(processes, missing)
        run_directory.write_note("edge_port", processes.edge_port)
        for name in missing:
            _rotate_log(run_directory, name)
        _start(processes, set(missing), screen)
        _wait_until_ready(processes, missing, screen)
    return Started(processes, missing, time.monotonic() - begun)


def down(run_directory: RunDirectory, screen: Screen) -> list[str]:
    """Stops all processes in order and returns the names of those that were running. Data is kept."""
    if not run_directory.exists:
        return []
    with hold_lock(run_directory), screen.working():
        processes = Processes(run_directory, run_directory.edge_port())
        daemons = processes.all()
        stopped = [name for name, daemon in daemons.items() if daemon.running]
        # Callers stop before callees: no request reaches a stopping service, no service outlives its database.
        for group in (["edge"], list(SERVICES), ["gateway", "mailbox"], ["nats"], ["postgres"]):
            _stop([daemons[name] for name in group], screen)
    return stopped


def restart(run_directory: RunDirectory, screen: Screen, name: str) -> None:
    """Stops one process and starts it with the current code."""
    processes = Processes(run_directory, run_directory.edge_port())
    daemon = processes.all().get(name)
    if daemon is None:
        raise CannotRun(f"there is no process {name}", "one of: " + ", ".join(processes.all()))
    with hold_lock(run_directory), screen.working(), screen.step(f"stop {name}"):
        daemon.stop(_STOP_SECONDS)
    up(run_directory, screen)


@contextmanager
def hold_lock(run_directory: RunDirectory) -> Iterator[None]:
    """Holds the stack's lock: commands on one stack run one after the other."""
    with (run_directory.path / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print("  another command runs on this stack; waiting until it ends")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_healthy(edge_port: int) -> bool:
    """Whether the edge reports all nine services as ready."""
    return get_http_status(edge_port, "/healthz") == http.client.OK


def _choose_edge_port(run_directory: RunDirectory) -> int:
    requested, recorded = run_directory.edge_port(), run_directory.read_note("edge_port")
    if recorded and int(recorded) != requested and run_directory.running("edge"):
        raise CannotRun(
            f"this stack serves on port {recorded}, not {requested}",
            f"run `make down` first, or start a second stack: make up RUN_DIR={run_directory.path.name}-2"
            f" EDGE_PORT={requested}",
        )
    return requested


def _replace_taken_ports(processes: Processes) -> None:
    """Assigns new ports where other programs took stored ones. Called while no process of the stack runs."""
    for name in processes.all():
        for port_name in () if name == "edge" else processes.port_names(name):
            if not is_free(processes.ports.port(port_name)):
                processes.ports.replace(port_name)


def _check_ports(processes: Processes, missing: list[str]) -> None:
    if "edge" in missing and not is_free(processes.edge_port):
        another = max(processes.edge_port, DEFAULT_EDGE_PORT) + 1
        raise CannotRun(
            f"port {processes.edge_port} is in use, or this user cannot open it",
            f"stop the program that listens there, or choose another port: EDGE_PORT={another} make up",
        )
    for name in missing:
        for port_name in processes.port_names(name):
            port = processes.ports.port(port_name)
            if not is_free(port):
                raise CannotRun(
                    f"port {port} of {name} is in use by another program",
                    "`make down`, then `make up`: it assigns new ports",
                )


def _start(processes: Processes, missing: set[str], screen: Screen) -> None:
    """Starts independent processes in parallel. Services wait for PostgreSQL only when a schema changed."""
    run_directory = processes.run_directory
    if processes.postgres.is_new:
        run_directory.delete_notes("schemas", "seeded")
    has_schemas = run_directory.read_note("schemas") == schema.compute_fingerprint()
    with ThreadPoolExecutor(max_workers=8) as pool:
        certificates = pool.submit(processes.issue_certificates)
        postgres = pool.submit(_start_postgres, processes, missing, screen)
        others = [
            pool.submit(_start_nats, processes, missing, screen),
            pool.submit(_render_edge, processes, missing, screen, certificates.result),
        ]
        certificates.result()
        if not has_schemas:
            postgres.result()
            _migrate(processes, screen)
        for name in SERVICES:
            if name in missing:
                processes.services[name].start()
        for name, ready in (("mailbox", _is_mailbox_ready), ("gateway", _is_gateway_ready)):
            if name in missing:
                others.append(pool.submit(_start_tool, processes, name, ready, screen))
        for future in (postgres, *others):
            future.result()


def _start_postgres(processes: Processes, missing: set[str], screen: Screen) -> None:
    if "postgres" in missing:
        with screen.step("PostgreSQL"):
            processes.postgres.start()


def _start_nats(processes: Processes, missing: set[str], screen: Screen) -> None:
    if "nats" in missing:
        with screen.step("NATS"):
            processes.nats.start()


def _render_edge(processes: Processes, missing: set[str], screen: Screen, certificates: Callable[[], None]) -> None:
    certificates()
    changed = processes.edge.render()
    if changed and "edge" not in missing:
        processes.edge.stop()
    if changed or "edge" in missing:
        with screen.step("edge"):
            processes.edge.start()


def _start_tool(processes: Processes, name: str, ready: Callable[[Processes], bool], screen: Screen) -> None:
    daemon = processes.all()[name]
    with screen.step(name):
        daemon.start()
        daemon.wait_ready(lambda: ready(processes), _READY_SECONDS)


def _is_mailbox_ready(processes: Processes) -> bool:
    return get_http_status(processes.ports.port("mailbox-http"), "/health") == http.client.OK


def _is_gateway_ready(processes: Processes) -> bool:
    return get_http_status(processes.ports.port("gateway"), "/health") == http.client.OK


def _migrate(processes: Processes, screen: Screen) -> None:
    with screen.step("nine databases and logins"):
        processes.postgres.create_service_databases()
    behind = schema.list_outdated(processes.postgres)
    if behind:
        with screen.step(f"schemas of {', '.join(behind) if len(behind) < len(SERVICES) else 'all nine'}"):
            for service in behind:
                screen.show_detail(service)
                schema.migrate(processes.postgres, service)
    processes.run_directory.write_note("schemas", schema.compute_fingerprint())


def _wait_until_ready(processes: Processes, started: list[str], screen: Screen) -> None:
    """Waits until every started service reports ready and `/healthz` is 200.

    `/healthz` alone is not enough: the edge notices with a delay that a service was down. Raises DaemonFailed when a
    process has ended, or names a process that is not ready in time.
    """
    waiting = [name for name in started if name in SERVICES]
    if not waiting and is_healthy(processes.edge_port):
        return
    deadline = time.monotonic() + _READY_SECONDS
    with screen.step("nine services ready"):
        while True:
            for daemon in (*processes.services.values(), processes.edge.daemon):
                daemon.require_running()
            waiting = [name for name in waiting if not _is_service_ready(processes, name)]
            if not waiting and is_healthy(processes.edge_port):
                return
            screen.show_detail(f"({', '.join(waiting) or 'the edge'} not ready yet)")
            if time.monotonic() > deadline:
                raise _describe_unready(processes)
            time.sleep(_POLL_SECONDS)


def _is_service_ready(processes: Processes, name: str) -> bool:
    """Whether a service reports ready. Checks its port first: a refused connection is cheaper than a failed rpc."""
    from devstack.health import is_serving

    port = processes.ports.port(f"{name}-health")
    return accepts(port) and is_serving(port)


def _describe_unready(processes: Processes) -> DaemonFailed:
    for name, daemon in processes.services.items():
        if not _is_service_ready(processes, name):
            return DaemonFailed(name, f"was not ready after {_READY_SECONDS:.0f} s", daemon.log)
    log = processes.run_directory.log("edge")
    return DaemonFailed("edge", "reports not ready, although all nine services report ready", log)


def _stop(daemons: list[Daemon], screen: Screen) -> None:
    running = [daemon for daemon in daemons if daemon.running]
    if not running:
        return
    with screen.step(f"stop {', '.join(daemon.name for daemon in running)}"):
        for daemon in running:
            daemon.signal_stop()
        for daemon in running:
            if not daemon.wait_stopped(_STOP_SECONDS):
                console.print(
                    f"  [yellow]![/yellow] {daemon.name} did not stop in time and was killed; log: {daemon.log}"
                )


def _rotate_log(run_directory: RunDirectory, name: str) -> None:
    """Rotates a large log; the previous one is deleted."""
    log = run_directory.log(name)
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(log.with_suffix(".old.log"))
