"""Processor time of processes, as the operating system counts it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import psutil

Roots = Callable[[], psutil.Process | None]


def count_seconds(root: psutil.Process | None) -> float:
    """Seconds of processor time of a process and its descendants, including ended children that were waited for."""
    if root is None:
        return 0.0
    total = 0.0
    with suppress(psutil.NoSuchProcess):
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


def count_busy_seconds() -> float:
    """Busy seconds of all cores since boot, including time that the hypervisor took (steal)."""
    times = psutil.cpu_times()._asdict()
    # `user` includes `guest`.
    return sum(float(times.get(kind, 0.0)) for kind in ("user", "nice", "system", "irq", "softirq", "steal"))


class Meter:
    """Processor time since `start`: by name, and of unrelated programs."""

    def __init__(self, roots: Mapping[str, Roots]) -> None:
        self._roots = roots
        self._begun: dict[str, float] = {}
        self._begun_at = self._busy = self._own = 0.0

    def start(self) -> None:
        self._begun = {name: count_seconds(root()) for name, root in self._roots.items()}
        self._begun_at, self._busy, self._own = time.monotonic(), count_busy_seconds(), time.process_time()

    def used(self) -> dict[str, float]:
        """Seconds by name."""
        return {name: max(0.0, count_seconds(root()) - self._begun[name]) for name, root in self._roots.items()}

    def others(self, known: float) -> float:
        """Share of the machine used by programs other than this one and those that used `known` seconds."""
        busy = count_busy_seconds() - self._busy
        wall = (time.monotonic() - self._begun_at) * (psutil.cpu_count() or 1)
        own = time.process_time() - self._own
        return min(1.0, max(0.0, (busy - known - own) / wall)) if wall else 0.0


def measure_other_load(seconds: float = 1.5) -> float:
    """Share of the machine that is in use before the benchmark starts."""
    return float(psutil.cpu_percent(interval=seconds)) / 100
