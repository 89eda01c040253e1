"""Time of a start with existing data, and memory of the idle platform."""

from __future__ import annotations

import time

from bench.sections import Figure, Goal, Section
from bench.stack import Stack
from devstack.daemons import measure_memory

# By then pools have shrunk and start-up garbage is collected.
_IDLE_SECONDS = 3.0


def measure(stack: Stack) -> Section:
    """Stops the stack, starts it by `make up`, and reads its memory."""
    stack.down()
    start = stack.run_command("make", "up")
    time.sleep(_IDLE_SECONDS)
    memory = stack.measure_memory_by_service()
    live = [process for daemon in stack.processes.all().values() if (process := daemon.process())]
    whole = sum(measure_memory(process) for process in live) / 1e6
    name, largest = max(memory.items(), key=lambda item: item[1])
    return Section(
        "start-up and idle memory",
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
