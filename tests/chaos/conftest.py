"""The stack of the end-to-end tests, started by the user's commands."""

from tests.e2e.conftest import collector, platform, running

__all__ = ["collector", "platform", "running"]
