"""A running inventory service, and a shop of its own for each test."""

from __future__ import annotations

import pytest
import pytest_asyncio

from chassis.process.service import Process
from tests.harness import Platform
from tests.integration.inventory.shop import Shop


@pytest_asyncio.fixture(scope="session")
async def process(platform: Platform) -> Process:
    return await platform.start("inventory")


@pytest.fixture
def shop(platform: Platform, process: Process) -> Shop:
    """A store that no other test uses, its manager, an admin, and the order service."""
    return Shop(platform, process)
