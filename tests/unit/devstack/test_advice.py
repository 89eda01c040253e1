"""What a person is told when something fails."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from devstack.daemons import DaemonFailed
from devstack.place import CannotRun
from devstack.screen import console, show_failure


def _told(error: BaseException) -> str:
    with console.capture() as capture:
        show_failure(error)
    return " ".join(capture.get().replace("│", " ").split())


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("PANIC: could not write: No space left on device", "the disk is full"),
        ("OSError: [Errno 98] Address already in use", "another program took the port"),
        ("setting ORDER_INDEX_KEY: Field required", "devstack/services.py"),
        ("ModuleNotFoundError: No module named 'grpc'", "remove .venv"),
    ],
)
def test_what_a_log_says_becomes_advice(tmp_path: Path, line: str, advice: str) -> None:
    log = tmp_path / "order.log"
    log.write_text(f"first\n{line}\n")
    told = _told(DaemonFailed("order", "ended with exit code 1", log))
    assert "order ended with exit code 1" in told
    assert "order.log" in told
    assert advice in told


def test_a_full_disk_is_named() -> None:
    assert "the disk is full" in _told(OSError(errno.ENOSPC, "No space left on device", "/somewhere"))


def test_text_in_brackets_is_shown_as_it_is() -> None:
    assert "[bold]" in _told(CannotRun("a log says [bold]", "do [this]"))
