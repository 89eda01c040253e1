"""The commands of the README succeed."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.platform import ROOT, Platform

EXECUTED = re.compile(r"<!-- executed by tests/e2e/test_readme.py -->\n```sh\n(.*?)```", re.DOTALL)


def commands() -> list[str]:
    return EXECUTED.findall((ROOT / "README.md").read_text())


@pytest.mark.parametrize("script", commands(), ids=lambda script: script.split("\n", 1)[0])
def test_a_first_order_with_curl_is_placed(platform: Platform, script: str, tmp_path: Path) -> None:
    here = script.replace("http://localhost:8080", platform.processes.edge_url)
    run = subprocess.run(["sh", "-euc", here], capture_output=True, text=True, cwd=tmp_path, check=False)  # noqa: S607
    assert run.returncode == 0, run.stderr
    order = json.loads(run.stdout)
    assert order["status"] == "CONFIRMED", run.stdout
    assert order["orderNumber"].startswith("ORD")


def test_the_readme_has_commands_to_execute() -> None:
    assert commands()
