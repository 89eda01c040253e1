"""Background processes of the local stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.daemons import Daemon, DaemonFailed, read_pid_file, read_start_mark, write_pid_file

READY = "print('ready', flush=True); import signal; signal.pause()"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = _daemon(tmp_path, READY)
    yield made
    made.stop()


def _daemon(directory: Path, program: str) -> Daemon:
    command = [sys.executable, "-c", program]
    return Daemon("probe", command, log=directory / "probe.log", pid_file=directory / "probe.json")


def _printed_ready(daemon: Daemon) -> bool:
    return "ready" in daemon.log.read_text()


def test_a_second_start_changes_nothing(daemon: Daemon) -> None:
    assert daemon.start()
    first = daemon.process()
    assert not daemon.start()
    assert daemon.process() == first


def test_another_command_finds_the_process_and_stops_it(daemon: Daemon, tmp_path: Path) -> None:
    daemon.start()
    daemon.wait_ready(lambda: _printed_ready(daemon), 10)
    found = _daemon(tmp_path, READY)
    assert found.running
    assert found.stop()
    assert not daemon.running
    assert not found.pid_file.exists()


def test_a_reused_pid_is_ignored(tmp_path: Path) -> None:
    pid_file = tmp_path / "unrelated.json"
    pid_file.write_text(json.dumps({"pid": os.getpid(), "started": "1@another-boot"}))
    assert read_pid_file(pid_file) is None
    unrelated = Daemon("unrelated", [], log=tmp_path / "log", pid_file=pid_file)
    assert unrelated.stop()
    assert read_start_mark(os.getpid())


def test_a_pid_with_its_start_time_is_found(tmp_path: Path) -> None:
    write_pid_file(tmp_path / "me.json", os.getpid())
    found = read_pid_file(tmp_path / "me.json")
    assert found is not None
    assert found.pid == os.getpid()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1}'])
def test_a_broken_pid_file_names_no_process(tmp_path: Path, content: str) -> None:
    (tmp_path / "broken.json").write_text(content)
    assert read_pid_file(tmp_path / "broken.json") is None


def test_a_process_that_ends_before_it_is_ready_is_reported_with_its_last_output(tmp_path: Path) -> None:
    daemon = _daemon(tmp_path, "print('setting ORDER_NATS_URL: is wrong'); raise SystemExit(3)")
    daemon.start()
    with pytest.raises(DaemonFailed) as failure:
        daemon.wait_ready(lambda: False, 10)
    assert failure.value.what == "ended with exit code 3"
    assert failure.value.last_lines == ["setting ORDER_NATS_URL: is wrong"]
    assert str(daemon.log) in str(failure.value)


def test_a_process_that_never_becomes_ready_is_reported(daemon: Daemon) -> None:
    daemon.start()
    with pytest.raises(DaemonFailed, match="was not ready after 0 s"):
        daemon.wait_ready(lambda: False, 0.05)
    assert daemon.running


def test_a_process_that_ignores_the_stop_signal_is_killed(tmp_path: Path) -> None:
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + READY
    daemon = _daemon(tmp_path, stubborn)
    daemon.start()
    daemon.wait_ready(lambda: _printed_ready(daemon), 10)
    assert not daemon.stop(timeout=0.2)
    assert not daemon.running


def test_a_process_survives_the_command_that_started_it(tmp_path: Path) -> None:
    starter = f"""
import sys
from pathlib import Path
from devstack.daemons import Daemon
here = Path({str(tmp_path)!r})
Daemon("probe", [sys.executable, "-c", {READY!r}], log=here / "probe.log", pid_file=here / "probe.json").start()
"""
    subprocess.run([sys.executable, "-c", starter], check=True)
    daemon = _daemon(tmp_path, READY)
    try:
        assert daemon.running
    finally:
        daemon.stop()
