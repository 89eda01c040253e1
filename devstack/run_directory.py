"""The run directory of a local stack: data, logs, pid files, ports and secrets."""

from __future__ import annotations

import base64
import errno
import json
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from devstack.daemons import Daemon
from devstack.files import write_private
from devstack.ports import PortStore

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_RUN_DIR = ".run"
DEFAULT_EDGE_PORT = 8080
_NEEDED_BYTES = 500_000_000
_MARKER = "stack.json"


class CannotRun(RuntimeError):
    """A command cannot run; the text says why, `advice` what to do."""

    def __init__(self, why: str, advice: str = "") -> None:
        super().__init__(why)
        self.advice = advice


@dataclass(frozen=True)
class RunDirectory:
    """Directory of one stack. Stacks with different directories and edge ports run side by side."""

    path: Path

    @classmethod
    def from_environment(cls) -> RunDirectory:
        """The directory RUN_DIR; .run in the checkout by default."""
        return cls((ROOT / (os.environ.get("RUN_DIR") or DEFAULT_RUN_DIR)).resolve())

    @property
    def exists(self) -> bool:
        return (self.path / _MARKER).exists()

    @property
    def _belongs_to_something_else(self) -> bool:
        """Whether it has content and is no stack's directory. A start on a full disk leaves an empty directory."""
        if self.exists or not self.path.exists():
            return False
        return not self.path.is_dir() or any(self.path.iterdir())

    def prepare(self) -> None:
        """Creates the directory. Raises CannotRun when it has other content or another owner, or the disk is full."""
        try:
            if self._belongs_to_something_else:
                raise CannotRun(f"{self.path} is not empty and was not created by a stack", "choose another RUN_DIR")
            self.path.mkdir(parents=True, exist_ok=True)
            owner = self.path.stat().st_uid
            if owner != os.geteuid():
                raise CannotRun(
                    f"{self.path} belongs to another user (uid {owner})",
                    f"run make as that user, or with RUN_DIR={DEFAULT_RUN_DIR}-{os.geteuid()} and another EDGE_PORT",
                )
            free = shutil.disk_usage(self.path).free
            if free < _NEEDED_BYTES:
                raise CannotRun(
                    f"the disk of {self.path} has {free // 1_000_000} MB free",
                    f"the stack needs {_NEEDED_BYTES // 1_000_000} MB; free disk space, or set RUN_DIR to another disk",
                )
            if not self.exists:
                write_private(self.path / _MARKER, "{}")
        except OSError as error:
            raise CannotRun(*explain_os_error(error)) from error

    def ports(self) -> PortStore:
        return PortStore(self.path / "ports.json")

    def secrets(self) -> SecretStore:
        return SecretStore(self.path / "secrets.json")

    def log(self, name: str) -> Path:
        return self.path / "logs" / f"{name}.log"

    def pid_file(self, name: str) -> Path:
        return self.path / "pids" / f"{name}.json"

    def running(self, name: str) -> bool:
        """Whether a process of this name is running, started by this command or an earlier one."""
        return Daemon(name, [], log=self.log(name), pid_file=self.pid_file(name)).running

    def edge_port(self) -> int:
        """EDGE_PORT, else the previous port, else 8080."""
        requested = os.environ.get("EDGE_PORT", "")
        recorded = self.read_note("edge_port")
        if not requested:
            return int(recorded) if recorded else DEFAULT_EDGE_PORT
        if not requested.isdigit() or not 0 < int(requested) < 65536:  # noqa: PLR2004 - the range of ports
            raise CannotRun(f"EDGE_PORT={requested} is not a port", "use a number between 1024 and 65535")
        return int(requested)

    def read_note(self, name: str) -> str | None:
        """A note that an earlier command stored about this stack."""
        if not self.exists:
            return None
        value = json.loads((self.path / _MARKER).read_text()).get(name)
        return None if value is None else str(value)

    def write_note(self, name: str, value: object) -> None:
        path = self.path / _MARKER
        write_private(path, json.dumps({**json.loads(path.read_text()), name: value}, indent=1))

    def delete_notes(self, *names: str) -> None:
        """Deletes notes that no longer hold."""
        path = self.path / _MARKER
        kept = {name: value for name, value in json.loads(path.read_text()).items() if name not in names}
        write_private(path, json.dumps(kept, indent=1))

    def remove(self) -> None:
        """Deletes the directory. Raises CannotRun when it was not created by a stack."""
        if self._belongs_to_something_else:
            raise CannotRun(f"{self.path} was not created by a stack and is not deleted", "check RUN_DIR")
        shutil.rmtree(self.path, ignore_errors=True)


class SecretStore:
    """Generated secrets by name, in a file that only its owner can read. They protect demo data on one machine."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._secrets: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    def get(self, name: str, make: Callable[[], str] | None = None) -> str:
        """The secret, generated on first use: by `make`, or 32 random bytes in base64."""
        if name not in self._secrets:
            self._secrets[name] = (make or make_random_key)()
            write_private(self._path, json.dumps(self._secrets, indent=1, sort_keys=True))
        return self._secrets[name]


def make_random_key() -> str:
    """32 random bytes as base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def explain_os_error(error: OSError) -> tuple[str, str]:
    """A sentence about an operating system error, and advice."""
    where = f" ({error.filename})" if error.filename else ""
    sentence = f"{error.strerror or error}{where}"
    advice = {
        errno.ENOSPC: "the disk is full: free disk space or set RUN_DIR to another disk, then `make up` again",
        errno.EDQUOT: "your disk quota is exhausted: free disk space, or set RUN_DIR to another disk",
        errno.EACCES: "this user cannot write there: set RUN_DIR to a directory of your own",
        errno.EROFS: "the disk is read-only: set RUN_DIR to a directory that can be written",
        errno.EMFILE: "too many open files: raise `ulimit -n`",
        errno.ENOMEM: "out of memory: the stack needs 1.5 GB",
    }
    return sentence, advice.get(error.errno or 0, "")
