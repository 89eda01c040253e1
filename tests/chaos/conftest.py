"""The same platform as that of the end-to-end tests, started as a user would."""

from tests.e2e.conftest import collector, platform, running

__all__ = ["collector", "platform", "running"]
