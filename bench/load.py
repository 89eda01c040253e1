"""Load by wrk: a closed loop of connections, each with one request in progress.

A script is Lua that defines `request`; this module adds the report at the end. wrk counts responses with status 400 and
above and broken connections; a single one makes a run void.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

INSTALL = "wrk is not installed; on Debian or Ubuntu: apt-get install wrk; on macOS: brew install wrk"
_MARK = "RESULT "
_DONE = """
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %%d, "seconds": %%.6f, "bytes": %%d, "failed": %%d, "broken": %%d, "p50": %%d, "p90": %%d, '
      .. '"p99": %%d, "worst": %%d}\\n',
    summary.requests, summary.duration / 1e6, summary.bytes, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max))
end
""".replace("%%", "%")


class ToolMissing(RuntimeError):
    """A program that the benchmark needs is not installed; the text says how to install it."""


class LoadFailed(RuntimeError):
    """wrk failed, for example because no server accepts connections."""

    def __init__(self, url: str, output: str) -> None:
        super().__init__(f"wrk failed at {url}: {output.strip()}")


@dataclass(frozen=True)
class Load:
    """Result of one run. Latencies in milliseconds."""

    requests: int
    seconds: float
    bytes: int
    failed: int
    broken: int
    p50: float
    p90: float
    p99: float
    worst: float
    # Processor time of the load generator itself.
    cpu: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    @property
    def errors(self) -> int:
        """Requests with an error status or a broken connection. A run without any response is an error too."""
        return self.failed + self.broken + (self.requests == 0)


def require_wrk() -> str:
    program = shutil.which("wrk")
    if program is None:
        raise ToolMissing(INSTALL)
    return program


def run(url: str, script: str, *, connections: int, seconds: float, directory: Path) -> Load:
    """One run. Raises LoadFailed when wrk itself fails."""
    path = directory / "load.lua"
    path.write_text(script + _DONE)
    command = [
        require_wrk(),
        "--threads=1",
        f"--connections={connections}",
        f"--duration={math.ceil(seconds)}s",
        "--timeout=10s",
        f"--script={path}",
        url,
    ]
    before = _children_cpu()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LoadFailed(url, f"{done.stdout}{done.stderr}")
    cpu = _children_cpu() - before
    line = next(line for line in done.stdout.splitlines() if line.startswith(_MARK))
    found = json.loads(line.removeprefix(_MARK))
    for name in ("p50", "p90", "p99", "worst"):
        found[name] /= 1000
    return Load(**found, cpu=cpu)


def _children_cpu() -> float:
    import resource

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def format_lua_table(values: Sequence[str]) -> str:
    """A Lua table of strings."""
    return "{" + ",".join(f'"{value}"' for value in values) + "}"
