"""Terminal output: a line per finished step, a spinner with running steps, failures with advice."""

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
from devstack.postgres import PostgresUnusable
from devstack.run_directory import CannotRun, explain_os_error

console = Console(highlight=False)

# Patterns of logs that have a cause outside of the program, and advice.
_ADVICE = (
    (
        r"no space left on device|disk full|check free disk space",
        "the disk is full: free disk space, or set RUN_DIR to a directory on another disk",
    ),
    (r"address already in use|port .* is (taken|in use)", "another program uses the port: `make down`, then `make up`"),
    (
        r"out of memory|cannot allocate memory|SIGKILL",
        "out of memory, or the process was killed: the stack needs 1.5 GB",
    ),
    (r"permission denied", "check the owner of the run directory; `make clean` deletes it"),
    (r"setting [A-Z_]+:", "a setting is invalid or missing: check environment variables and devstack/services.py"),
    (
        r"ModuleNotFoundError|ImportError",
        "installed packages do not match the code: remove .venv and run `make up` again",
    ),
    (r"too many open files", "raise the limit: `ulimit -n 4096`"),
)
_DEFAULT_ADVICE = "`make up` starts missing processes; `make logs` follows all logs"


class Screen:
    """Prints finished steps; on a terminal also a spinner with the running steps."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[str] = []
        self._status: Status | None = None

    @contextmanager
    def working(self) -> Iterator[Screen]:
        """Shows the spinner during the block."""
        with console.status("") as status:
            self._status = status
            try:
                yield self
            finally:
                self._status = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Shows a step while it runs and prints its duration at the end. Steps may overlap."""
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

    def show_detail(self, text: str) -> None:
        """Shows a detail beside the names of the running steps."""
        self._show(text)

    def _change(self, add: str = "", remove: str = "") -> None:
        with self._lock:
            if add:
                self._running.append(add)
            if remove:
                self._running.remove(remove)
        self._show("")

    def _show(self, text: str) -> None:
        if self._status is not None:
            names = ", ".join(self._running)
            self._status.update(escape(f"{names} {text}" if text else names))


def show_failure(error: BaseException) -> None:
    """Prints the error, the path and last lines of its log, and advice."""
    what, advice, lines = _describe(error)
    body = [f"[bold]{escape(what)}[/bold]"]
    if isinstance(error, DaemonFailed):
        body.append(f"log: {error.log}")
        body += [f"[dim]  {escape(line)}[/dim]" for line in lines]
    body.append(f"[yellow]→ {escape(advice)}[/yellow]")
    console.print(Panel("\n".join(body), title="failed", border_style="red", title_align="left"))


def _describe(error: BaseException) -> tuple[str, str, list[str]]:
    if isinstance(error, DaemonFailed):
        text = "\n".join([error.what, *error.last_lines])
        return f"{error.name} {error.what}", error.advice or _find_advice(text), error.last_lines
    if isinstance(error, CannotRun):
        return str(error), error.advice or _DEFAULT_ADVICE, []
    if isinstance(error, OSError):
        what, advice = explain_os_error(error)
        return what, advice or _DEFAULT_ADVICE, []
    if isinstance(error, PostgresUnusable | NatsUnusable):
        return str(error), _find_advice(str(error)), []
    return f"{type(error).__name__}: {error}", _find_advice(str(error)), []


def _find_advice(text: str) -> str:
    for sign, advice in _ADVICE:
        if re.search(sign, text, re.IGNORECASE):
            return advice
    return _DEFAULT_ADVICE
