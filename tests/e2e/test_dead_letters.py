"""`make dead-letters`: the command line for operators."""

from __future__ import annotations

import subprocess
import sys
from uuid import uuid4

import pytest

from devstack.certificates import SERVICES
from tests.e2e.platform import ROOT, Platform


def run_command(platform: Platform, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command behind `make dead-letters`."""
    command = [sys.executable, "-m", "devstack", "dead-letters", *arguments]
    return subprocess.run(command, env=platform.environment, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("service", SERVICES)
def test_the_command_lists_the_dead_letters_of_a_service(platform: Platform, service: str) -> None:
    listed = run_command(platform, service)
    assert (listed.returncode, listed.stdout) == (0, "no dead letters\n"), listed.stderr


def test_an_unknown_dead_letter_is_not_found(platform: Platform) -> None:
    answer = run_command(platform, "order", "replay", str(uuid4()))
    assert (answer.returncode, answer.stdout) == (1, "not found\n")


def test_an_unknown_service_is_named(platform: Platform) -> None:
    answer = run_command(platform, "kitchen")
    assert answer.returncode == 1
    assert "there is no service kitchen" in answer.stdout
