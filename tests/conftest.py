"""Fixtures that every kind of test may ask for. Unit tests ask for none of them."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import structlog

from tests.harness import Platform

# Services log one line a request; a test's output is for the test.
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


@pytest.fixture(scope="session")
def servers() -> Iterator[Platform]:
    """PostgreSQL with nine databases, NATS and certificates; no service yet."""
    directory = Path(tempfile.mkdtemp(prefix="jain-shikanji-"))
    directory.chmod(0o755)
    platform = Platform(directory)
    platform.start_servers()
    yield platform
    platform.stop_servers()
    shutil.rmtree(directory, ignore_errors=True)


@pytest_asyncio.fixture(scope="session")
async def platform(servers: Platform) -> AsyncIterator[Platform]:
    """The servers, and services on them as tests start them."""
    yield servers
    await servers.stop()
