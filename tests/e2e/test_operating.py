"""What an operator does beside the public API."""

from __future__ import annotations

import subprocess
import sys
from uuid import uuid4

import pytest

from devstack.certificates import SERVICES
from tests.e2e.platform import ROOT, Platform


def ask(platform: Platform, *words: str) -> subprocess.CompletedProcess[str]:
    """The command behind `make dead-letters`."""
    command = [sys.executable, "-m", "devstack", "dead-letters", *words]
    return subprocess.run(command, env=platform.environment, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("service", SERVICES)
def test_dead_letters_are_an_operators_command_line(platform: Platform, service: str) -> None:
    listed = ask(platform, service)
    assert (listed.returncode, listed.stdout) == (0, "no dead letters\n"), listed.stderr


def test_a_dead_letter_that_is_not_there_is_not_found(platform: Platform) -> None:
    answer = ask(platform, "order", "replay", str(uuid4()))
    assert (answer.returncode, answer.stdout) == (1, "not found\n")


def test_a_service_that_does_not_exist_is_named(platform: Platform) -> None:
    answer = ask(platform, "kitchen")
    assert answer.returncode == 1
    assert "there is no service kitchen" in answer.stdout
