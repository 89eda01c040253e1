"""Error output of the local stack: the problem, the log, advice."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from devstack.daemons import DaemonFailed
from devstack.run_directory import CannotRun
from devstack.screen import console, show_failure


def _capture(error: BaseException) -> str:
    with console.capture() as capture:
        show_failure(error)
    return " ".join(capture.get().replace("│", " ").split())


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("PANIC: could not write: No space left on device", "the disk is full"),
        ("OSError: [Errno 98] Address already in use", "another program uses the port"),
        ("setting ORDER_INDEX_KEY: Field required", "devstack/services.py"),
        ("ModuleNotFoundError: No module named 'grpc'", "remove .venv"),
    ],
)
def test_a_known_pattern_of_a_log_gives_advice(tmp_path: Path, line: str, advice: str) -> None:
    log = tmp_path / "order.log"
    log.write_text(f"first\n{line}\n")
    output = _capture(DaemonFailed("order", "ended with exit code 1", log))
    assert "order ended with exit code 1" in output
    assert "order.log" in output
    assert advice in output


def test_a_full_disk_is_reported() -> None:
    assert "the disk is full" in _capture(OSError(errno.ENOSPC, "No space left on device", "/somewhere"))


def test_text_in_brackets_is_not_interpreted_as_markup() -> None:
    assert "[bold]" in _capture(CannotRun("a log says [bold]", "do [this]"))
