"""Background processes that outlive the command that started them: pid files, logs, graceful stop."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

import psutil

from devstack.files import read_tail, write_private

_POLL_SECONDS = 0.02
# Variables that processes of the stack inherit; all others are set by the stack.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "LOGNAME", "SSL_CERT_FILE", "LD_LIBRARY_PATH")
_LOG_LINES_SHOWN = 15


class DaemonFailed(RuntimeError):
    """A process ended, or did not become ready in time. Carries the path and the last lines of its log."""

    def __init__(self, name: str, what: str, log: Path, advice: str = "") -> None:
        self.name, self.what, self.log, self.advice = name, what, log, advice
        self.last_lines = read_tail(log, _LOG_LINES_SHOWN)
        super().__init__(f"{name} {what}; log: {log}" + "".join(f"\n    {line}" for line in self.last_lines))


class _Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """The operating system user that a process runs as."""

    name: str
    uid: int
    gid: int


@dataclass
class Daemon:
    """One detached process: started once, found by later commands through its pid file.

    The pid file holds the process start time beside the pid, so that a reused pid is recognised and not signalled.
    """

    name: str
    command: Sequence[str]
    log: Path
    pid_file: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    _child: subprocess.Popen[bytes] | None = None

    def process(self) -> psutil.Process | None:
        """The running process, or None when it never ran, has ended, or its pid was reused."""
        if self._child is not None:
            self._child.poll()
        return read_pid_file(self.pid_file)

    @property
    def running(self) -> bool:
        return self.process() is not None

    def start(self) -> bool:
        """Starts the process unless it is running; returns whether it was started. Output is appended to the log."""
        if self.running:
            return False
        for path in (self.log, self.pid_file):
            path.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                list(self.command),
                env=dict(self.environment) or None,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A new session, so that Ctrl-C in the terminal of `make up` does not reach it.
                start_new_session=True,
                close_fds=True,
                **make_popen_identity(self.account),
            )
        write_pid_file(self.pid_file, self._child.pid)
        return True

    def wait_ready(self, ready: Callable[[], bool], timeout: float, advice: str = "") -> None:
        """Waits until `ready` is true. Raises DaemonFailed when the process ends first or `timeout` has passed."""
        deadline = time.monotonic() + timeout
        while not ready():
            self.require_running(advice)
            if time.monotonic() > deadline:
                raise DaemonFailed(self.name, f"was not ready after {timeout:.0f} s", self.log, advice)
            time.sleep(_POLL_SECONDS)

    def require_running(self, advice: str = "") -> None:
        """Raises DaemonFailed when the process has ended."""
        if not self.running:
            raise DaemonFailed(self.name, self._describe_end(), self.log, advice)

    def signal_stop(self) -> None:
        """Sends the stop signal without waiting."""
        process = self.process()
        if process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(self.stop_signal)

    def wait_stopped(self, timeout: float) -> bool:
        """Waits at most `timeout` seconds, then kills. Returns whether the process ended without SIGKILL."""
        process = self.process()
        if process is None:
            self.pid_file.unlink(missing_ok=True)
            return True
        deadline = time.monotonic() + timeout
        while self.running and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        graceful = not self.running
        if not graceful:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
            while self.running:
                time.sleep(_POLL_SECONDS)
        self.pid_file.unlink(missing_ok=True)
        return graceful

    def stop(self, timeout: float = 15.0) -> bool:
        """Stops the process; kills it after `timeout` seconds. Returns whether it ended without SIGKILL."""
        self.signal_stop()
        return self.wait_stopped(timeout)

    def _describe_end(self) -> str:
        code = self._child.poll() if self._child is not None else None
        if code is None:
            return "has ended"
        if code < 0:
            return f"was terminated by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"


@contextlib.contextmanager
def suspended(*daemons: Daemon) -> Iterator[None]:
    """Suspends the running daemons during the block (SIGSTOP)."""
    processes = [process for daemon in daemons if (process := daemon.process()) is not None]
    try:
        for process in processes:
            process.suspend()
        yield
    finally:
        for process in processes:
            process.resume()


def write_pid_file(path: Path, pid: int) -> None:
    """Records a process with its start time. Writes no file for a process that has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        write_private(path, json.dumps({"pid": pid, "started": read_start_mark(pid)}))


def read_pid_file(path: Path) -> psutil.Process | None:
    """The process of the file, if it still is the same one and no zombie."""
    try:
        recorded = json.loads(path.read_text())
        process = psutil.Process(recorded["pid"])
        same = read_start_mark(process.pid) == recorded["started"]
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (FileNotFoundError, ValueError, TypeError, KeyError, psutil.NoSuchProcess):
        return None


def read_start_mark(pid: int) -> str:
    """Start time that distinguishes this process from a later one with the same pid, also after a reboot."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.parent.parent.joinpath("self").exists():
        return str(psutil.Process(pid).create_time())
    try:
        # Field 22, counted after the command name, which may hold spaces and brackets: clock ticks since boot.
        ticks = stat.read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(pid) from None
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{ticks}@{boot.read_text().strip() if boot.exists() else ''}"


def measure_memory(process: psutil.Process) -> int:
    """Memory of a process and its children in bytes; shared pages are divided among processes (PSS)."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for member in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += _proportional_bytes(member)
    return total


def _proportional_bytes(process: psutil.Process) -> int:
    try:
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    except OSError:
        return int(process.memory_info().rss)
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return int(process.memory_info().rss)


def make_popen_identity(account: Account | None) -> _Identity:
    """Arguments of Popen that run a process as the account; empty for the current user."""
    if account is None or account.uid == os.geteuid():
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def inherit_environment() -> dict[str, str]:
    """The variables of this process that its daemons inherit."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}
