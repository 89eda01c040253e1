"""Up and down: what is started after what, what may run at the same time, and when it counts as ready."""

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
from devstack.edge import http_status
from devstack.place import DEFAULT_EDGE_PORT, CannotRun, Place
from devstack.ports import accepts, is_free
from devstack.screen import Screen, console
from devstack.services import Processes

_READY_SECONDS = 90.0
_POLL_SECONDS = 0.05
# Longer than the services' own DRAIN_SECONDS.
_STOP_SECONDS = 12.0
_LOG_BYTES = 20_000_000


@dataclass(frozen=True)
class Started:
    """What `up` did. Seconds are of the wall clock."""

    processes: Processes
    names: list[str]
    seconds: float


def up(place: Place, screen: Screen) -> Started:
    """Starts what does not run and returns when all nine services are ready at the edge. Starts nothing twice.

    Raises CannotRun, DaemonFailed or OSError; what runs by then keeps running.
    """
    begun = time.monotonic()
    place.prepare()
    with one_at_a_time(place), screen.working():
        processes = Processes(place, _edge_port(place))
        running = {name for name, daemon in processes.all().items() if daemon.running}
        if not running:
            _leave_taken_ports(processes)
            processes = Processes(place, processes.edge_port)
        missing = [name for name in processes.all() if name not in running]
        _check_ports(processes, missing)
        place.write_note("edge_port", processes.edge_port)
        for name in missing:
            _turn_log(place, name)
        _start(processes, set(missing), screen)
        _wait_until_ready(processes, missing, screen)
    return Started(processes, missing, time.monotonic() - begun)


def down(place: Place, screen: Screen) -> list[str]:
    """Stops everything in order and returns the names of what ran. Data stays."""
    if not place.exists:
        return []
    with one_at_a_time(place), screen.working():
        processes = Processes(place, place.edge_port())
        daemons = processes.all()
        stopped = [name for name, daemon in daemons.items() if daemon.running]
        # Callers before the called: no request reaches a service that is going, no service outlives its database.
        for group in (["edge"], list(SERVICES), ["gateway", "mailbox"], ["nats"], ["postgres"]):
            _stop([daemons[name] for name in group], screen)
    return stopped


def restart(place: Place, screen: Screen, name: str) -> None:
    """Stops one process and starts it again, with the code as it is now."""
    processes = Processes(place, place.edge_port())
    daemon = processes.all().get(name)
    if daemon is None:
        raise CannotRun(f"there is no process {name}", "one of: " + ", ".join(processes.all()))
    with one_at_a_time(place), screen.working(), screen.step(f"stop {name}"):
        daemon.stop(_STOP_SECONDS)
    up(place, screen)


@contextmanager
def one_at_a_time(place: Place) -> Iterator[None]:
    """Two commands on one stack take turns."""
    with (place.run_dir / "turn").open("w") as turn:
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print("  another command is at work on this stack; waiting for it")
            fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def is_healthy(edge_port: int) -> bool:
    """Whether the edge says that all nine services are ready."""
    return http_status(edge_port, "/healthz") == http.client.OK


def _edge_port(place: Place) -> int:
    asked, noted = place.edge_port(), place.note("edge_port")
    if noted and int(noted) != asked and place.running("edge"):
        raise CannotRun(
            f"this stack serves on port {noted}, not {asked}",
            f"`make down` first; or start a second stack: RUN_DIR={place.run_dir.name}-2 EDGE_PORT={asked} make up",
        )
    return asked


def _leave_taken_ports(processes: Processes) -> None:
    """While the stack was down somebody else may have taken ports; nothing of ours runs that knows them."""
    for name in processes.all():
        for port_name in () if name == "edge" else processes.port_names(name):
            if not is_free(processes.ports.port(port_name)):
                processes.ports.replace(port_name)


def _check_ports(processes: Processes, missing: list[str]) -> None:
    if "edge" in missing and not is_free(processes.edge_port):
        another = max(processes.edge_port, DEFAULT_EDGE_PORT) + 1
        raise CannotRun(
            f"port {processes.edge_port} is taken, or this user may not open it",
            f"stop what listens there, or choose another port: EDGE_PORT={another} make up",
        )
    for name in missing:
        for port_name in processes.port_names(name):
            port = processes.ports.port(port_name)
            if not is_free(port):
                raise CannotRun(
                    f"port {port}, which {name} had, was taken by another program while {name} was not running",
                    "the others know it by that port: `make down`, then `make up` chooses new ones",
                )


def _start(processes: Processes, missing: set[str], screen: Screen) -> None:
    """Everything at once that depends on nothing. Services wait for PostgreSQL only when their schema has changed."""
    place = processes.place
    if processes.postgres.is_new:
        place.forget_notes("schemas", "seeded")
    has_schemas = place.note("schemas") == schema.fingerprint()
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
        for name, ready in (("mailbox", _mailbox_ready), ("gateway", _gateway_ready)):
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


def _mailbox_ready(processes: Processes) -> bool:
    return http_status(processes.ports.port("mailbox-http"), "/health") == http.client.OK


def _gateway_ready(processes: Processes) -> bool:
    return http_status(processes.ports.port("gateway"), "/health") == http.client.OK


def _migrate(processes: Processes, screen: Screen) -> None:
    with screen.step("nine databases with a login each"):
        processes.postgres.create_service_databases()
    behind = schema.behind(processes.postgres)
    if behind:
        with screen.step(f"schemas of {', '.join(behind) if len(behind) < len(SERVICES) else 'all nine'}"):
            for service in behind:
                screen.tell(service)
                schema.migrate(processes.postgres, service)
    processes.place.write_note("schemas", schema.fingerprint())


def _wait_until_ready(processes: Processes, started: list[str], screen: Screen) -> None:
    """Until every service that was started says that it is ready and `/healthz` is 200.

    The edge alone would not do: it needs a moment to notice that a service was away. Raises DaemonFailed as soon as a
    process has ended, or naming one that is not ready in time.
    """
    waiting = [name for name in started if name in SERVICES]
    if not waiting and is_healthy(processes.edge_port):
        return
    deadline = time.monotonic() + _READY_SECONDS
    with screen.step("nine services ready"):
        while True:
            for daemon in (*processes.services.values(), processes.edge.daemon):
                daemon.require_running()
            waiting = [name for name in waiting if not _serves(processes, name)]
            if not waiting and is_healthy(processes.edge_port):
                return
            screen.tell(f"({', '.join(waiting) or 'the edge'} not yet)")
            if time.monotonic() > deadline:
                raise _not_ready(processes)
            time.sleep(_POLL_SECONDS)


def _serves(processes: Processes, name: str) -> bool:
    """Whether a service says that it is ready. Asked only once it listens: a refused connection is cheaper."""
    from devstack.health import is_serving

    port = processes.ports.port(f"{name}-health")
    return accepts(port) and is_serving(port)


def _not_ready(processes: Processes) -> DaemonFailed:
    for name, daemon in processes.services.items():
        if not _serves(processes, name):
            return DaemonFailed(name, f"was not ready after {_READY_SECONDS:.0f} s", daemon.log)
    log = processes.place.log("edge")
    return DaemonFailed("edge", "does not find the nine services ready, which say that they are", log)


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


def _turn_log(place: Place, name: str) -> None:
    """A log that has grown large is set aside; the one before it goes."""
    log = place.log(name)
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(log.with_suffix(".old.log"))
