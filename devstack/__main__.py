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
from devstack.daemons import Daemon, DaemonFailed, resident_bytes
from devstack.nats import NatsUnusable
from devstack.place import ROOT, CannotRun, Place
from devstack.postgres import PostgresUnusable
from devstack.rest import NoMail, Unexpected
from devstack.screen import Screen, console, show_failure
from devstack.services import Processes

line = typer.Typer(no_args_is_help=True, add_completion=False, help="The embedded stack of nine services.")

_FAILURES = (CannotRun, DaemonFailed, NatsUnusable, NoMail, PostgresUnusable, Unexpected, httpx.HTTPError, OSError)
_FOLLOW_SECONDS = 0.2
_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")


@line.command()
def up() -> None:
    """Start what does not run, bring schemas up to date, seed the demo, wait until all is ready."""
    place = Place.from_environment()
    screen = Screen()
    started = stack.up(place, screen)
    seed_seconds = _seed_once(started.processes, screen)
    _show_stack(started, seed_seconds)


@line.command()
def down() -> None:
    """Stop everything; data stays."""
    stopped = stack.down(Place.from_environment(), Screen())
    console.print("  stopped" if stopped else "  nothing ran")


@line.command()
def restart(service: str) -> None:
    """Stop one process and start it with the code as it is now."""
    stack.restart(Place.from_environment(), Screen(), service)


@line.command()
def clean() -> None:
    """Stop everything and delete the data of this stack."""
    place = Place.from_environment()
    stack.down(place, Screen())
    if place.exists:
        Processes(place, place.edge_port()).postgres.remove()
    place.remove()
    console.print(f"  {place.run_dir} is gone")


@line.command()
def ps() -> None:
    """What runs, since when, how much memory it holds, whether it is ready."""
    processes = _existing()
    table = Table("process", "state", "pid", "memory", "up", "address", box=None, header_style="bold")
    total = 0
    for name, daemon in processes.all().items():
        process = daemon.process()
        memory = resident_bytes(process) if process else 0
        total += memory
        table.add_row(
            name,
            _state(processes, name, daemon),
            str(process.pid) if process else "",
            f"{memory / 1e6:.0f} MB" if memory else "",
            _duration(time.time() - process.create_time()) if process else "",
            _address(processes, name),
        )
    console.print(table)
    healthy = stack.is_healthy(processes.edge_port)
    state = "[green]ready[/green]" if healthy else "[red]not ready[/red]"
    console.print(f"\n{processes.edge_url}/healthz: {state}; {total / 1e6:,.0f} MB resident, shared pages counted once")
    if not healthy:
        raise typer.Exit(1)


@line.command()
def logs(
    service: Annotated[str, typer.Argument(help="one process; all without it")] = "",
    lines: Annotated[int, typer.Option(help="so many lines of the past")] = 10,
    follow: Annotated[bool, typer.Option(help="go on until Ctrl-C")] = True,
) -> None:
    """Show logs and follow them."""
    processes = _existing()
    names = [service] if service else list(processes.all())
    if service and service not in processes.all():
        raise CannotRun(f"there is no process {service}", "one of: " + ", ".join(processes.all()))
    readers = {name: _Reader(processes.place.log(name), lines) for name in names}
    width = max(len(name) for name in names)
    while True:
        for number, (name, reader) in enumerate(readers.items()):
            for text in reader.new_lines():
                console.print(f"[{_COLOURS[number % len(_COLOURS)]}]{name:<{width}}[/] ", end="")
                console.print(text, markup=False, soft_wrap=True)
        if not follow:
            return
        time.sleep(_FOLLOW_SECONDS)


@line.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context, service: str) -> None:
    """A shell on one service's database, as that service's login. Further arguments go to psql."""
    processes = _existing()
    _require_service(service)
    if not processes.postgres.running:
        raise CannotRun("PostgreSQL does not run", "`make up` starts it")
    program = processes.postgres.program("psql")
    os.execv(program, ["psql", processes.postgres.url(service), *context.args])  # noqa: S606 - the wheel's own psql


@line.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def dead_letters(context: typer.Context, service: str) -> None:
    """Events that a service gave up on, by its own command line: list, show ID, replay ID, discard ID --reason WHY."""
    processes = _existing()
    _require_service(service)
    environment = {**os.environ, **processes.operator_environment(service)}
    os.chdir(ROOT)
    command = [sys.executable, "-m", f"services.{service}", "dead-letters", *(context.args or ["list"])]
    os.execve(sys.executable, command, environment)  # noqa: S606 - the service's own command line


@line.command()
def seed() -> None:
    """Fill the running stack with the demo's stores, menu, staff and customers. What exists stays."""
    from devstack.seed import seed as fill

    screen = Screen()
    with screen.working():
        fill(_existing(), screen)


@line.command()
def demo() -> None:
    """One order from the menu to the doorstep, and the roads on which it fails, by REST only."""
    from devstack.demo import Deviation, run

    processes = _existing()
    away = [name for name, daemon in processes.all().items() if not daemon.running]
    if away:
        raise CannotRun(f"{', '.join(away)} not running", "`make up` starts what is missing")
    try:
        run(processes)
    except Deviation as deviation:
        raise CannotRun(
            f"the demo came to a wrong turn: {deviation}", "`make logs` shows what the services say"
        ) from None


class _Reader:
    """New lines of a log, also after it was set aside."""

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


def _existing() -> Processes:
    place = Place.from_environment()
    if not place.exists:
        raise CannotRun(f"there is no stack in {place.run_dir}", "`make up` makes one; RUN_DIR names another directory")
    return Processes(place, place.edge_port())


def _seed_once(processes: Processes, screen: Screen) -> float:
    """Seconds that seeding took; 0 when the demo was there already."""
    if processes.place.note("seeded"):
        return 0.0
    from devstack.seed import seed as fill

    begun = time.monotonic()
    with screen.working():
        fill(processes, screen)
    processes.place.write_note("seeded", "yes")
    return time.monotonic() - begun


def _show_stack(started: stack.Started, seed_seconds: float) -> None:
    processes = started.processes
    live = [process for daemon in processes.all().values() if (process := daemon.process())]
    memory = sum(resident_bytes(process) for process in live)
    if started.names:
        took = f"started in {started.seconds:.1f} s" + (f", seeded in {seed_seconds:.1f} s" if seed_seconds else "")
    else:
        took = "runs already; nothing was changed"
    table = Table(box=None, show_header=False)
    table.add_row("API", f"[bold]{processes.edge_url}/api[/bold]   health: {processes.edge_url}/healthz")
    table.add_row("mailbox", processes.mailbox_url)
    table.add_row("payments", f"{processes.gateway_url}/checkout/<providerOrderId>")
    console.print(f"\n[bold green]Jain Shikanji[/bold green] {took}; {memory / 1e6:,.0f} MB resident")
    console.print(table)
    _show_logins()
    console.print("\nnext: [bold]make demo[/bold] · make ps · make logs · make down")


def _show_logins() -> None:
    from devstack.seed import PASSWORD, logins

    table = Table("demo login", "who", box=None, header_style="bold")
    for login in logins():
        table.add_row(login.email, login.who)
    console.print()
    console.print(table)
    console.print(f"  the password of each: [bold]{PASSWORD}[/bold]")


def _state(processes: Processes, name: str, daemon: Daemon) -> str:
    from devstack.health import is_serving

    if not daemon.running:
        return "[red]down[/red]"
    if name in SERVICES and not is_serving(processes.ports.port(f"{name}-health")):
        return "[yellow]not ready[/yellow]"
    return "[green]ready[/green]" if name in SERVICES else "[green]runs[/green]"


def _address(processes: Processes, name: str) -> str:
    if name == "edge":
        return processes.edge_url
    return " ".join(f"{port_name.removeprefix(name).strip('-')}:{processes.ports.port(port_name)}"
                    for port_name in processes.port_names(name))  # fmt: skip


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _keep_traceback() -> None:
    """What only a developer of the stack needs goes to its log."""
    place = Place.from_environment()
    if place.exists:
        log = place.log("devstack")
        with contextlib.suppress(OSError):
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(traceback.format_exc())
            console.print(f"  traceback: {log}")


def main() -> None:
    try:
        line(standalone_mode=False)
    except typer.Exit as exit_:
        sys.exit(exit_.exit_code)
    except _FAILURES as error:
        show_failure(error)
        sys.exit(1)
    except Exception as error:
        show_failure(error)
        _keep_traceback()
        sys.exit(1)
    except (KeyboardInterrupt, typer.Abort):
        console.print("\n  interrupted; `make down` stops what runs")
        sys.exit(130)


if __name__ == "__main__":
    main()
