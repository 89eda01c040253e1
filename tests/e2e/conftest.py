"""The local stack, started by its command line, once for all end-to-end tests.

`E2E_RUN_DIR` and `E2E_EDGE_PORT` name a running stack; without them one is started, and removed at the end. A running
stack must export its spans to the same `OTLP_TARGET`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.ports import LOOPBACK, free_port
from tests.e2e.collector import Collector
from tests.e2e.platform import ROOT, Platform

# The default limits are those of one person at an address; the tests are many.
LIMITS = dict.fromkeys(("PUBLIC_PER_MINUTE", "USER_PER_MINUTE", "ADMIN_PER_MINUTE", "GUESSES_PER_MINUTE"), "1000000")


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """The collector to which the stack exports its spans."""
    found = Collector(os.environ.get("OTLP_TARGET") or f"{LOOPBACK}:{free_port()}")
    yield found
    found.stop()


@pytest.fixture(scope="session")
def running(collector: Collector) -> Iterator[Platform]:
    """A stack of this test run, or the one that the environment names."""
    if "E2E_RUN_DIR" in os.environ:
        run_dir, port = Path(os.environ["E2E_RUN_DIR"]), int(os.environ["E2E_EDGE_PORT"])
        yield Platform(run_dir, port, {**os.environ, **LIMITS, "RUN_DIR": str(run_dir), "EDGE_PORT": str(port)})
        return
    run_dir = Path(tempfile.mkdtemp(prefix="jain-shikanji-e2e-"))
    run_dir.chmod(0o755)
    port = free_port()
    environment = {**os.environ, **LIMITS, "RUN_DIR": str(run_dir), "EDGE_PORT": str(port)}
    environment["OTLP_TARGET"] = collector.target
    platform = Platform(run_dir, port, environment)
    try:
        up = subprocess.run([sys.executable, "-m", "devstack", "up"], env=environment, cwd=ROOT, check=False)
        if up.returncode != 0:
            pytest.exit("the local stack did not start; see above", returncode=1)
        yield platform
        platform.close()
    finally:
        # Also after a failed start: no stack outlives its test run.
        subprocess.run([sys.executable, "-m", "devstack", "down"], env=environment, cwd=ROOT, check=True)
        shutil.rmtree(run_dir, ignore_errors=True)


@pytest.fixture
def platform(running: Platform) -> Platform:
    """The platform with all its processes, including those that an earlier test stopped."""
    running.make_whole()
    return running
