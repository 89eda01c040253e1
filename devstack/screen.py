"""What a person sees while the stack works: a line for each thing done, what is under way, and failures with advice."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.status import Status

from devstack.daemons import DaemonFailed
from devstack.nats import NatsUnusable
from devstack.place import CannotRun, explain_os_error
from devstack.postgres import PostgresUnusable

console = Console(highlight=False)

# What logs say when something outside of the program is wrong, and what helps.
_SIGNS = (
    (
        r"no space left on device|disk full|check free disk space",
        "the disk is full: make room, or set RUN_DIR to a directory on another disk",
    ),
    (r"address already in use|port .* is taken", "another program took the port: `make down`, then `make up`"),
    (r"out of memory|cannot allocate memory|SIGKILL", "memory ran out, or somebody killed it: the stack needs 1.5 GB"),
    (r"permission denied", "check who owns the run directory; `make clean` starts from nothing"),
    (r"setting [A-Z_]+:", "a setting is wrong or missing: look at your environment and at devstack/services.py"),
    (r"ModuleNotFoundError|ImportError", "the packages do not fit the code: remove .venv and run `make up` again"),
    (r"too many open files", "raise the limit: `ulimit -n 4096`"),
)
_USUAL = "`make up` again starts only what is missing; `make logs` follows all logs"


class Screen:
    """Lines of progress; a spinner with the names of what is under way, where there is a terminal."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: list[str] = []
        self._status: Status | None = None

    @contextmanager
    def working(self) -> Iterator[Screen]:
        """Shows the spinner for as long as the block runs."""
        with console.status("") as status:
            self._status = status
            try:
                yield self
            finally:
                self._status = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One thing to do: shown while it runs, with its time when it is done. Steps may overlap."""
        started = time.monotonic()
        self._change(add=name)
        try:
            yield
        except BaseException:
            self._change(remove=name)
            console.print(f"  [red]✗[/red] {escape(name)}")
            raise
        self._change(remove=name)
        console.print(f"  [green]✓[/green] {escape(name)} [dim]{time.monotonic() - started:.1f} s[/dim]")

    def tell(self, text: str) -> None:
        """What is being waited for, beside the steps' names."""
        self._show(text)

    def _change(self, add: str = "", remove: str = "") -> None:
        with self._lock:
            if add:
                self._under_way.append(add)
            if remove:
                self._under_way.remove(remove)
        self._show("")

    def _show(self, text: str) -> None:
        if self._status is not None:
            names = ", ".join(self._under_way)
            self._status.update(escape(f"{names} {text}" if text else names))


def show_failure(error: BaseException) -> None:
    """What happened, where the log is with its last lines, and what to do."""
    what, advice, lines = _describe(error)
    body = [f"[bold]{escape(what)}[/bold]"]
    if isinstance(error, DaemonFailed):
        body.append(f"log: {error.log}")
        body += [f"[dim]  {escape(line)}[/dim]" for line in lines]
    body.append(f"[yellow]→ {escape(advice)}[/yellow]")
    console.print(Panel("\n".join(body), title="failed", border_style="red", title_align="left"))


def _describe(error: BaseException) -> tuple[str, str, list[str]]:
    if isinstance(error, DaemonFailed):
        said = "\n".join([error.what, *error.last_lines])
        return f"{error.name} {error.what}", error.advice or _advice(said), error.last_lines
    if isinstance(error, CannotRun):
        return str(error), error.advice or _USUAL, []
    if isinstance(error, OSError):
        what, advice = explain_os_error(error)
        return what, advice or _USUAL, []
    if isinstance(error, PostgresUnusable | NatsUnusable):
        return str(error), _advice(str(error)), []
    return f"{type(error).__name__}: {error}", _advice(str(error)), []


def _advice(text: str) -> str:
    for sign, advice in _SIGNS:
        if re.search(sign, text, re.IGNORECASE):
            return advice
    return _USUAL
