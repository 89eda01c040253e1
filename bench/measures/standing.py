"""What it costs to have the platform: a start with data already there, and memory while nobody asks anything."""

from __future__ import annotations

import time

from bench.findings import Figure, Goal, Section
from bench.stack import Stack
from devstack.daemons import resident_bytes

# Pools have shrunk and start-up garbage is gone by then.
_IDLE_SECONDS = 3.0


def measure(stack: Stack) -> Section:
    """Stops the stack and starts it by `make up`, as somebody does each morning."""
    stack.down()
    start = stack.command("make", "up")
    time.sleep(_IDLE_SECONDS)
    memory = stack.memory()
    live = [process for daemon in stack.processes.all().values() if (process := daemon.process())]
    whole = sum(resident_bytes(process) for process in live) / 1e6
    name, largest = max(memory.items(), key=lambda item: item[1])
    return Section(
        "starting and standing idle",
        figures=[
            Figure("`make up`, second time", start, "s"),
            *(Figure(f"idle memory of {service} (PSS)", size, "MB") for service, size in memory.items()),
            Figure("idle memory of the whole stack (PSS)", whole, "MB"),
        ],
        goals=[
            Goal("`make up`, second time", start, 8.0, unit="s", at_least=False),
            Goal(f"idle memory of the largest service ({name})", largest, 110.0, 100.0, unit="MB", at_least=False),
        ],
    )
