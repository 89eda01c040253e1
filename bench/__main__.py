"""`make bench`, `make bench FAST=1`: measures everything on a stack of its own and leaves nothing behind but results.

Exits with 1 when a run is void because of errors, with 2 when it could not be made, with 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import fcntl
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import FrameType

import httpx
import psycopg

from bench import cpu, load, report
from bench.arena import Arena, running
from bench.contest import Unlike
from bench.findings import Section
from bench.measures import calls, events, own_orders, placing, products, standing, throughput
from bench.stack import Stack, StackFailed
from devstack.daemons import DaemonFailed
from devstack.place import ROOT, CannotRun
from devstack.rest import NoMail, Unexpected
from devstack.screen import Screen, console, show_failure

_RUN_DIR = ROOT / ".run-bench"
_FAILURES = (
    load.LoadFailed,
    StackFailed,
    DaemonFailed,
    CannotRun,
    Unlike,
    Unexpected,
    NoMail,
    httpx.HTTPError,
    psycopg.Error,
)


def main() -> int:
    line = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    line.add_argument("--fast", action="store_true", help="fewer and shorter rounds: four minutes at most")
    fast = line.parse_args().fast
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        load.require_wrk()
        found = _run(fast=fast)
    except KeyboardInterrupt:
        console.print("\n  interrupted; what was started is stopped and removed")
        return 130
    except load.ToolMissing as missing:
        console.print(f"[red]{missing}[/red]")
        return 2
    except _FAILURES as failure:
        show_failure(failure)
        return 2
    report.show(found)
    if found.errors:
        console.print(f"\n[bold red]void[/bold red]: {found.errors} errors; nothing is written")
        return 1
    for path in report.write(found):
        console.print(f"  written: {path.relative_to(ROOT)}")
    return 0


def _run(*, fast: bool) -> report.Report:
    screen = Screen()
    with screen.working():
        with screen.step("looking whether the machine is quiet"):
            others = cpu.used_by_others()
        found = report.Report(fast, others)
        with _own_stack(screen) as stack:
            with screen.step("starting and standing idle"):
                found.sections.append(standing.measure(stack))
            with _prepared(Arena(stack, fast, screen.tell), screen) as arena:
                for title, measure in _MEASURES:
                    with screen.step(title):
                        found.sections.append(measure(arena))
    return found


_MEASURES: tuple[tuple[str, Callable[[Arena], Section]], ...] = (
    ("reading a product", products.measure),
    ("placing an order, one client", partial(placing.measure, connections=1)),
    ("placing an order, 16 clients", partial(placing.measure, connections=16)),
    ("placing an order, 64 clients", partial(placing.measure, connections=64)),
    ("reading one's own order", own_orders.measure),
    ("from an accepted order to its consumers", events.measure),
    ("relay and consumers", throughput.measure),
    ("a call between services", calls.measure),
)


@contextmanager
def _own_stack(screen: Screen) -> Iterator[Stack]:
    """A fresh stack, gone after the block however that ends."""
    with _alone(), ExitStack() as last:
        left = Stack.at(_RUN_DIR)
        if left.place.exists:
            with screen.step("removing what an earlier run left"):
                left.remove()
        stack = Stack.at(_RUN_DIR)
        last.callback(_remove, stack, screen)
        with screen.step("starting the platform"):
            stack.up()
        yield stack


@contextmanager
def _alone() -> Iterator[None]:
    """Two benchmarks at once would measure each other."""
    lock = ROOT / ".cache" / "bench.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotRun("another benchmark of this checkout is running", "wait for its end") from None
        yield


@contextmanager
def _prepared(arena: Arena, screen: Screen) -> Iterator[Arena]:
    """Traces go to a collector, the same goods and people are everywhere, and all contenders run."""
    with running(arena.collector()):
        with screen.step("services with a collector for their traces"):
            arena.stack.restart_services({"OTLP_ENDPOINT": arena.collector_url})
        with screen.step("products, stock and customers"):
            arena.material.prepare()
        with screen.step("the contenders"):
            arena.start_baselines()
        try:
            yield arena
        finally:
            arena.stop_baselines()


def _remove(stack: Stack, screen: Screen) -> None:
    """A second Ctrl-C does not stop the tidying up."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with screen.step("stopping and removing everything"):
            stack.remove()
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
