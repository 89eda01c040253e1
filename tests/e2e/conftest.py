"""The whole platform, started as a user would, once for all end-to-end tests.

`E2E_RUN_DIR` and `E2E_EDGE_PORT` name a stack that runs already; without them one is made, and removed at the end.
What it traces is collected; a stack that runs already must have been started with the same `OTLP_TARGET`.
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

# The seed's limits are for people; a test suite is many people at one address.
LIMITS = dict.fromkeys(("PUBLIC_PER_MINUTE", "USER_PER_MINUTE", "ADMIN_PER_MINUTE", "GUESSES_PER_MINUTE"), "1000000")


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Where the stack exports its spans."""
    found = Collector(os.environ.get("OTLP_TARGET") or f"{LOOPBACK}:{free_port()}")
    yield found
    found.stop()


@pytest.fixture(scope="session")
def running(collector: Collector) -> Iterator[Platform]:
    """A platform of our own, or the one that the environment names."""
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
            pytest.exit("the platform did not come up; see above", returncode=1)
        yield platform
        platform.close()
    finally:
        # Also when it did not come up in time: no stack outlives its test run.
        subprocess.run([sys.executable, "-m", "devstack", "down"], env=environment, cwd=ROOT, check=True)
        shutil.rmtree(run_dir, ignore_errors=True)


@pytest.fixture
def platform(running: Platform) -> Platform:
    """The platform, whole: what a test before stopped is started again."""
    running.make_whole()
    return running
