"""The package sets of `.venv`."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack import environment
from devstack.environment import PACKAGE_SETS

DEV, CHECK = PACKAGE_SETS


@pytest.mark.parametrize(
    ("stamp", "dev", "check"),
    [
        (None, False, False),
        ("current dev", True, False),
        ("current check", True, True),
        ("stale check", False, False),
        ("current", False, False),
    ],
)
def test_a_set_is_installed_when_it_or_a_larger_one_was_installed_from_the_current_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stamp: str | None, dev: bool, check: bool
) -> None:
    monkeypatch.setattr(environment, "STAMP", tmp_path / "installed")
    if stamp is not None:
        environment.STAMP.write_text(stamp)
    assert environment._is_installed(DEV, "current") is dev
    assert environment._is_installed(CHECK, "current") is check


def test_an_unknown_set_is_rejected_with_the_known_ones() -> None:
    with pytest.raises(SystemExit, match="there is no package set everything; choose one of: dev, check"):
        environment._select_set("everything")
