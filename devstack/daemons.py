"""Processes that outlive the command that started them: pid files that cannot name a stranger, logs, orderly ends."""

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

from devstack.files import tail, write_private

_POLL_SECONDS = 0.02
# Passed on from the caller's environment; what else a process of the stack sees is written by the stack.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "LOGNAME", "SSL_CERT_FILE", "LD_LIBRARY_PATH")
_LOG_LINES_SHOWN = 15


class DaemonFailed(RuntimeError):
    """A process ended, or did not become ready in time. Says where its log is and how the log ends."""

    def __init__(self, name: str, what: str, log: Path, advice: str = "") -> None:
        self.name, self.what, self.log, self.advice = name, what, log, advice
        self.last_lines = tail(log, _LOG_LINES_SHOWN)
        super().__init__(f"{name} {what}; log: {log}" + "".join(f"\n    {line}" for line in self.last_lines))


class _Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """The operating system's user that a process runs as."""

    name: str
    uid: int
    gid: int


@dataclass
class Daemon:
    """One detached process: started once, found again by a later command, ended by nobody else's hand.

    The pid file holds the kernel's start time beside the pid, so a recycled pid is recognised and left alone.
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
        """The live process, or None when it never ran, has ended, or its pid belongs to somebody else now."""
        if self._child is not None:
            self._child.poll()
        return read_pid_file(self.pid_file)

    @property
    def running(self) -> bool:
        return self.process() is not None

    def start(self) -> bool:
        """Starts the process unless it runs. True when it was started. Its output is appended to the log."""
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
                # A session of its own: Ctrl-C in the terminal of `make up` does not reach it.
                start_new_session=True,
                close_fds=True,
                **as_account(self.account),
            )
        write_pid_file(self.pid_file, self._child.pid)
        return True

    def wait_ready(self, ready: Callable[[], bool], timeout: float, advice: str = "") -> None:
        """Returns when `ready` says so. Raises DaemonFailed when the process ends first or after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not ready():
            self.require_running(advice)
            if time.monotonic() > deadline:
                raise DaemonFailed(self.name, f"was not ready after {timeout:.0f} s", self.log, advice)
            time.sleep(_POLL_SECONDS)

    def require_running(self, advice: str = "") -> None:
        """Raises DaemonFailed with how the process ended, when it has."""
        if not self.running:
            raise DaemonFailed(self.name, self._how_it_ended(), self.log, advice)

    def signal_stop(self) -> None:
        """Asks the process to end and returns at once."""
        process = self.process()
        if process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(self.stop_signal)

    def wait_stopped(self, timeout: float) -> bool:
        """Waits for the end, at most `timeout` seconds, then kills. True when it ended by itself."""
        process = self.process()
        if process is None:
            self.pid_file.unlink(missing_ok=True)
            return True
        deadline = time.monotonic() + timeout
        while self.running and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        orderly = not self.running
        if not orderly:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
            while self.running:
                time.sleep(_POLL_SECONDS)
        self.pid_file.unlink(missing_ok=True)
        return orderly

    def stop(self, timeout: float = 15.0) -> bool:
        """Ends the process in order; kills it after `timeout` seconds. True when no kill was needed."""
        self.signal_stop()
        return self.wait_stopped(timeout)

    def _how_it_ended(self) -> str:
        code = self._child.poll() if self._child is not None else None
        if code is None:
            return "has ended"
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"


@contextlib.contextmanager
def suspended(*daemons: Daemon) -> Iterator[None]:
    """Those that run stand still during the block; what is sent to them waits."""
    processes = [process for daemon in daemons if (process := daemon.process()) is not None]
    try:
        for process in processes:
            process.suspend()
        yield
    finally:
        for process in processes:
            process.resume()


def write_pid_file(path: Path, pid: int) -> None:
    """Remembers a process with its start time. A process that ended already leaves no file."""
    with contextlib.suppress(psutil.NoSuchProcess):
        write_private(path, json.dumps({"pid": pid, "started": start_mark(pid)}))


def read_pid_file(path: Path) -> psutil.Process | None:
    """The process that the file names, if it is still the same one and not a zombie."""
    try:
        noted = json.loads(path.read_text())
        process = psutil.Process(noted["pid"])
        same = start_mark(process.pid) == noted["started"]
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (FileNotFoundError, ValueError, TypeError, KeyError, psutil.NoSuchProcess):
        return None


def start_mark(pid: int) -> str:
    """What tells this process from another one that gets the same pid later, also after a reboot."""
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


def resident_bytes(process: psutil.Process) -> int:
    """Memory of a process and its children in bytes; pages that processes share are divided among them (PSS)."""
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


def as_account(account: Account | None) -> _Identity:
    """Arguments of Popen that make a process run as the account; none when it is ours."""
    if account is None or account.uid == os.geteuid():
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def inherited() -> dict[str, str]:
    """The part of this process's environment that its daemons get."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}
