"""The commands behind the Makefile: `python -m devstack up`, `down`, `ps`, `logs`, `psql`, `seed`, `demo` and more."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.table import Table

from devstack import stack
from devstack.certificates import SERVICES
from devstack.daemons import Daemon, DaemonFailed, measure_memory
from devstack.nats import NatsUnusable
from devstack.postgres import PostgresUnusable
from devstack.rest import MailNotReceived, UnexpectedResponse
from devstack.run_directory import ROOT, CannotRun, RunDirectory
from devstack.screen import Screen, console, show_failure
from devstack.services import Processes

cli = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The local stack: PostgreSQL, NATS, nine services, Envoy."
)

_FAILURES = (
    CannotRun,
    DaemonFailed,
    NatsUnusable,
    MailNotReceived,
    PostgresUnusable,
    UnexpectedResponse,
    httpx.HTTPError,
    OSError,
)
_FOLLOW_SECONDS = 0.2
_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")


@cli.command()
def up() -> None:
    """Start missing processes, migrate, seed demo data, wait until all services are ready."""
    run_directory = RunDirectory.from_environment()
    screen = Screen()
    started = stack.up(run_directory, screen)
    seed_seconds = _seed_once(started.processes, screen)
    _show_stack(started, seed_seconds)


@cli.command()
def down() -> None:
    """Stop all processes; data is kept."""
    stopped = stack.down(RunDirectory.from_environment(), Screen())
    console.print("  stopped" if stopped else "  no process was running")


@cli.command()
def restart(service: str) -> None:
    """Restart one process with the current code."""
    stack.restart(RunDirectory.from_environment(), Screen(), service)


@cli.command()
def clean() -> None:
    """Stop all processes and delete the data of this stack."""
    run_directory = RunDirectory.from_environment()
    stack.down(run_directory, Screen())
    if run_directory.exists:
        Processes(run_directory, run_directory.edge_port()).postgres.remove()
    run_directory.remove()
    console.print(f"  {run_directory.path} was deleted")


@cli.command()
def ps() -> None:
    """List processes with state, memory, uptime and ports."""
    processes = _find_stack()
    table = Table("process", "state", "pid", "memory", "up", "address", box=None, header_style="bold")
    total = 0
    for name, daemon in processes.all().items():
        process = daemon.process()
        memory = measure_memory(process) if process else 0
        total += memory
        table.add_row(
            name,
            _describe_state(processes, name, daemon),
            str(process.pid) if process else "",
            f"{memory / 1e6:.0f} MB" if memory else "",
            _format_duration(time.time() - process.create_time()) if process else "",
            _describe_address(processes, name),
        )
    console.print(table)
    healthy = stack.is_healthy(processes.edge_port)
    state = "[green]ready[/green]" if healthy else "[red]not ready[/red]"
    console.print(
        f"\n{processes.edge_url}/healthz: {state}; {total / 1e6:,.0f} MB resident (shared pages counted once)"
    )
    if not healthy:
        raise typer.Exit(1)


@cli.command()
def logs(
    service: Annotated[str, typer.Argument(help="one process; default: all")] = "",
    lines: Annotated[int, typer.Option(help="number of old lines to show first")] = 10,
    follow: Annotated[bool, typer.Option(help="follow until Ctrl-C")] = True,
) -> None:
    """Show logs and follow them."""
    processes = _find_stack()
    names = [service] if service else list(processes.all())
    if service and service not in processes.all():
        raise CannotRun(f"there is no process {service}", "one of: " + ", ".join(processes.all()))
    readers = {name: _Reader(processes.run_directory.log(name), lines) for name in names}
    width = max(len(name) for name in names)
    while True:
        for number, (name, reader) in enumerate(readers.items()):
            for text in reader.new_lines():
                console.print(f"[{_COLOURS[number % len(_COLOURS)]}]{name:<{width}}[/] ", end="")
                console.print(text, markup=False, soft_wrap=True)
        if not follow:
            return
        time.sleep(_FOLLOW_SECONDS)


@cli.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context, service: str) -> None:
    """Open psql on one service's database with that service's login. Further arguments go to psql."""
    processes = _find_stack()
    _require_service(service)
    if not processes.postgres.running:
        raise CannotRun("PostgreSQL is not running", "`make up` starts it")
    program = processes.postgres.program("psql")
    os.execv(program, ["psql", processes.postgres.url(service), *context.args])  # noqa: S606 - the wheel's own psql


@cli.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def dead_letters(context: typer.Context, service: str) -> None:
    """Dead letters of a service, by its own command line: list, show ID, replay ID, discard ID --reason WHY."""
    processes = _find_stack()
    _require_service(service)
    environment = {**os.environ, **processes.operator_environment(service)}
    os.chdir(ROOT)
    command = [sys.executable, "-m", f"services.{service}", "dead-letters", *(context.args or ["list"])]
    os.execve(sys.executable, command, environment)  # noqa: S606 - the service's own command line


@cli.command()
def seed() -> None:
    """Create missing demo data: stores, menu, staff, customers."""
    from devstack.seed import seed as fill

    screen = Screen()
    with screen.working():
        fill(_find_stack(), screen)


@cli.command()
def demo() -> None:
    """Play one order by REST from menu to delivery, then the failure cases."""
    from devstack.demo import DemoFailed, run

    processes = _find_stack()
    stopped = [name for name, daemon in processes.all().items() if not daemon.running]
    if stopped:
        raise CannotRun(f"{', '.join(stopped)} not running", "`make up` starts missing processes")
    try:
        run(processes)
    except DemoFailed as failure:
        raise CannotRun(f"the demo failed: {failure}", "`make logs` shows the services' logs") from None


class _Reader:
    """Reads new lines of a log file, also after its rotation."""

    def __init__(self, path: Path, past: int) -> None:
        self._path = path
        self._position = self._start(past)

    def new_lines(self) -> list[str]:
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            if self._position > os.fstat(file.fileno()).st_size:
                self._position = 0
            file.seek(self._position)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._position += len(whole)
        return whole.decode(errors="replace").splitlines()

    def _start(self, past: int) -> int:
        if not self._path.exists():
            return 0
        content = self._path.read_bytes()
        position = len(content)
        for _ in range(past + 1):
            position = content.rfind(b"\n", 0, position)
            if position < 0:
                return 0
        return position + 1


def _require_service(name: str) -> None:
    if name not in SERVICES:
        raise CannotRun(f"there is no service {name}", "one of: " + ", ".join(SERVICES))


def _find_stack() -> Processes:
    run_directory = RunDirectory.from_environment()
    if not run_directory.exists:
        raise CannotRun(
            f"there is no stack in {run_directory.path}", "`make up` creates it; RUN_DIR selects another directory"
        )
    return Processes(run_directory, run_directory.edge_port())


def _seed_once(processes: Processes, screen: Screen) -> float:
    """Seconds that seeding took; 0 when the demo data exists."""
    if processes.run_directory.read_note("seeded"):
        return 0.0
    from devstack.seed import seed as fill

    begun = time.monotonic()
    with screen.working():
        fill(processes, screen)
    processes.run_directory.write_note("seeded", "yes")
    return time.monotonic() - begun


def _show_stack(started: stack.Started, seed_seconds: float) -> None:
    processes = started.processes
    live = [process for daemon in processes.all().values() if (process := daemon.process())]
    memory = sum(measure_memory(process) for process in live)
    if started.names:
        took = f"started in {started.seconds:.1f} s" + (f", seeded in {seed_seconds:.1f} s" if seed_seconds else "")
    else:
        took = "was running already"
    table = Table(box=None, show_header=False)
    table.add_row("API", f"[bold]{processes.edge_url}/api[/bold]   health: {processes.edge_url}/healthz")
    table.add_row("mailbox", processes.mailbox_url)
    table.add_row("payments", f"{processes.gateway_url}/checkout/<providerOrderId>")
    console.print(f"\n[bold green]Jain Shikanji[/bold green] {took}; {memory / 1e6:,.0f} MB resident")
    console.print(table)
    _show_logins()
    console.print("\nnext: [bold]make demo[/bold] · make ps · make logs · make down")


def _show_logins() -> None:
    from devstack.seed import PASSWORD, list_logins

    table = Table("demo login", "role", box=None, header_style="bold")
    for login in list_logins():
        table.add_row(login.email, login.role)
    console.print()
    console.print(table)
    console.print(f"  password of all: [bold]{PASSWORD}[/bold]")


def _describe_state(processes: Processes, name: str, daemon: Daemon) -> str:
    from devstack.health import is_serving

    if not daemon.running:
        return "[red]down[/red]"
    if name in SERVICES and not is_serving(processes.ports.port(f"{name}-health")):
        return "[yellow]not ready[/yellow]"
    return "[green]ready[/green]" if name in SERVICES else "[green]runs[/green]"


def _describe_address(processes: Processes, name: str) -> str:
    if name == "edge":
        return processes.edge_url
    return " ".join(f"{port_name.removeprefix(name).strip('-')}:{processes.ports.port(port_name)}"
                    for port_name in processes.port_names(name))  # fmt: skip


def _format_duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _log_traceback() -> None:
    """Writes the traceback of an unexpected error to the log devstack.log."""
    run_directory = RunDirectory.from_environment()
    if run_directory.exists:
        log = run_directory.log("devstack")
        with contextlib.suppress(OSError):
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(traceback.format_exc())
            console.print(f"  traceback: {log}")


def main() -> None:
    try:
        cli(standalone_mode=False)
    except typer.Exit as exit_:
        sys.exit(exit_.exit_code)
    except _FAILURES as error:
        show_failure(error)
        sys.exit(1)
    except Exception as error:
        show_failure(error)
        _log_traceback()
        sys.exit(1)
    except (KeyboardInterrupt, typer.Abort):
        console.print("\n  interrupted; `make down` stops the processes")
        sys.exit(130)


if __name__ == "__main__":
    main()
