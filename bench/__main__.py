"""`make bench`, `make bench FAST=1`: runs all measures on a stack of its own and removes it afterwards.

Exit codes: 1 when requests failed and the results are void, 2 when the run was not possible, 130 after Ctrl-C.
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
from bench.context import BenchContext, running
from bench.measures import calls, events, order_placement, own_orders, products, startup, throughput
from bench.rounds import ResponsesDiffer
from bench.sections import Section
from bench.stack import Stack, StackFailed
from devstack.daemons import DaemonFailed
from devstack.rest import MailNotReceived, UnexpectedResponse
from devstack.run_directory import ROOT, CannotRun
from devstack.screen import Screen, console, show_failure

_RUN_DIR = ROOT / ".run-bench"
_FAILURES = (
    load.LoadFailed,
    StackFailed,
    DaemonFailed,
    CannotRun,
    ResponsesDiffer,
    UnexpectedResponse,
    MailNotReceived,
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
        console.print("\n  interrupted; all processes were stopped and their data was removed")
        return 130
    except load.ToolMissing as missing:
        console.print(f"[red]{missing}[/red]")
        return 2
    except _FAILURES as failure:
        show_failure(failure)
        return 2
    report.show(found)
    if found.errors:
        console.print(f"\n[bold red]void[/bold red]: {found.errors} errors; no results were written")
        return 1
    for path in report.write(found):
        console.print(f"  written: {path.relative_to(ROOT)}")
    return 0


def _run(*, fast: bool) -> report.Report:
    screen = Screen()
    with screen.working():
        with screen.step("checking that the machine is idle"):
            others = cpu.measure_other_load()
        found = report.Report(fast, others)
        with _start_stack(screen) as stack:
            with screen.step("start-up and idle memory"):
                found.sections.append(startup.measure(stack))
            with _prepared(BenchContext(stack, fast, screen.show_detail), screen) as context:
                for title, measure in _MEASURES:
                    with screen.step(title):
                        found.sections.append(measure(context))
    return found


_MEASURES: tuple[tuple[str, Callable[[BenchContext], Section]], ...] = (
    ("reading a product", products.measure),
    ("placing an order, one client", partial(order_placement.measure, connections=1)),
    ("placing an order, 16 clients", partial(order_placement.measure, connections=16)),
    ("placing an order, 64 clients", partial(order_placement.measure, connections=64)),
    ("reading an own order", own_orders.measure),
    ("event latency from an order to its consumers", events.measure),
    ("event throughput of relay and consumers", throughput.measure),
    ("a call between services", calls.measure),
)


@contextmanager
def _start_stack(screen: Screen) -> Iterator[Stack]:
    """A new stack, removed after the block in any case."""
    with _hold_lock(), ExitStack() as cleanup:
        previous = Stack.at(_RUN_DIR)
        if previous.run_directory.exists:
            with screen.step("removing data of an earlier run"):
                previous.remove()
        stack = Stack.at(_RUN_DIR)
        cleanup.callback(_remove, stack, screen)
        with screen.step("starting the platform"):
            stack.up()
        yield stack


@contextmanager
def _hold_lock() -> Iterator[None]:
    """Only one benchmark at a time: two would measure each other."""
    lock = ROOT / ".cache" / "bench.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotRun("another benchmark runs in this checkout", "wait until it ends") from None
        yield


@contextmanager
def _prepared(context: BenchContext, screen: Screen) -> Iterator[BenchContext]:
    """Starts the trace collector, fills all databases with the same data, and starts the baselines."""
    with running(context.make_collector()):
        with screen.step("restarting services with a trace collector"):
            context.stack.restart_services({"OTLP_ENDPOINT": context.collector_url})
        with screen.step("products, stock and customers"):
            context.dataset.prepare()
        with screen.step("starting the baselines"):
            context.start_baselines()
        try:
            yield context
        finally:
            context.stop_baselines()


def _remove(stack: Stack, screen: Screen) -> None:
    """Ignores Ctrl-C, so that the clean-up finishes."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with screen.step("stopping the stack and removing its data"):
            stack.remove()
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
