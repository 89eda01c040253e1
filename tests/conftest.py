"""Fixtures for every kind of test. Unit tests use none of them."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import structlog
from hypothesis import HealthCheck, settings

from chassis import contract
from devstack.certificates import SERVICES
from tests.harness import Platform

# Services log one line per request, which would hide the output of the tests.
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
# On a busy machine examples take longer, which is no fault of the code under test.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


@pytest.fixture(scope="session")
def servers() -> Iterator[Platform]:
    """PostgreSQL with nine databases, NATS and certificates; no service yet.

    Ends the session when a contract is incomplete: one message, not a failure of every test that starts the service.
    """
    try:
        for service in SERVICES:
            contract.load(service)
            for name in contract.services_of(service):
                contract.service_methods(name)
    except contract.ContractIncomplete as error:
        pytest.exit(str(error), returncode=1)
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
