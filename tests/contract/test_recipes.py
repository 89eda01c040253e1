"""The recipe "Add an rpc" of CONTRIBUTING, followed in a copy of the project."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.contracts import ROOT

COPIED = ("chassis", "devstack", "envoy", "gen", "protos", "services", "tools")
CONTRACT = "protos/jainshikanji/review/v1/review_service.proto"
SERVICER = "services/review/servicer.py"
RPC = """
  // Returns a review by its ID. Errors: NOT_FOUND if it does not exist.
  rpc PeekReview(GetReviewRequest) returns (Review) {
    option idempotency_level = NO_SIDE_EFFECTS;%s
  }
"""
ACCESS = """
    option (jainshikanji.options.v1.access) = {
      services: ["order"]
    };"""
METHOD = """
    async def PeekReview(self, request: pb.GetReviewRequest, context: Any) -> Review:
        return await self.GetReview(request, context)

"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in COPIED:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(root: Path, module: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module],
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'gen'}"},
        capture_output=True,
        text=True,
        check=False,
    )


def add_rpc(root: Path, access: str) -> None:
    contract = root / CONTRACT
    head, brace, rest = contract.read_text().partition("\n}\n")
    contract.write_text(head + RPC % access + brace.lstrip("\n") + rest)


def test_an_rpc_without_implementation_is_reported_in_one_line_and_then_served(copy: Path) -> None:
    add_rpc(copy, ACCESS)
    assert run(copy, "tools.generate").returncode == 0
    checked = run(copy, "tools.contracts")
    assert checked.returncode == 1
    assert checked.stderr.splitlines() == [
        "jainshikanji.review.v1.ReviewService.PeekReview has no method in ReviewServicer of review"
    ]
    servicer = copy / SERVICER
    servicer.write_text(
        servicer.read_text().replace("    async def UpdateReview", METHOD + "    async def UpdateReview")
    )
    checked = run(copy, "tools.contracts")
    assert (checked.returncode, checked.stderr) == (0, "")


def test_an_rpc_without_access_option_is_reported_in_one_line(copy: Path) -> None:
    add_rpc(copy, "")
    assert run(copy, "tools.generate").returncode == 0
    checked = run(copy, "tools.contracts")
    assert checked.returncode == 1
    (message,) = checked.stderr.splitlines()
    assert message.startswith("jainshikanji.review.v1.ReviewService.PeekReview has no access option")


def test_callers_without_a_route_are_reported_in_one_line(copy: Path) -> None:
    add_rpc(copy, ACCESS.replace('services: ["order"]', "callers: [ADMIN] scope: NONE"))
    assert run(copy, "tools.generate").returncode == 0
    checked = run(copy, "tools.contracts")
    (message,) = checked.stderr.splitlines()
    assert message.startswith("jainshikanji.review.v1.ReviewService.PeekReview has callers but no route")


def test_a_reason_without_an_error_class_is_reported_in_one_line(copy: Path) -> None:
    enum = copy / "protos/jainshikanji/review/v1/error_reason.proto"
    head, brace, rest = enum.read_text().rpartition("  }\n")
    enum.write_text(head + "    // The review is hidden.\n    REVIEW_HIDDEN = 99;\n" + brace + rest)
    assert run(copy, "tools.generate").returncode == 0
    checked = run(copy, "tools.contracts")
    (message,) = checked.stderr.splitlines()
    assert message == "REVIEW_HIDDEN of review has no error class in errors.py"
