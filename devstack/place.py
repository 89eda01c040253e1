"""Where a stack lives: its run directory, the edge's port, the ports of the rest, and its secrets."""

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
from devstack.ports import PortBook

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_RUN_DIR = ".run"
DEFAULT_EDGE_PORT = 8080
_NEEDED_BYTES = 500_000_000
_MARK = "stack.json"


class CannotRun(RuntimeError):
    """The stack cannot do what was asked; the text says why, `advice` what to do."""

    def __init__(self, why: str, advice: str = "") -> None:
        super().__init__(why)
        self.advice = advice


@dataclass(frozen=True)
class Place:
    """One stack's directory. Two stacks live side by side with different directories and edge ports."""

    run_dir: Path

    @classmethod
    def from_environment(cls) -> Place:
        """RUN_DIR, or .run in the checkout."""
        return cls((ROOT / (os.environ.get("RUN_DIR") or DEFAULT_RUN_DIR)).resolve())

    @property
    def exists(self) -> bool:
        return (self.run_dir / _MARK).exists()

    @property
    def _is_somebody_elses(self) -> bool:
        """Whether it holds something and is no stack's. An empty one is what a start on a full disk leaves."""
        if self.exists or not self.run_dir.exists():
            return False
        return not self.run_dir.is_dir() or any(self.run_dir.iterdir())

    def prepare(self) -> None:
        """Makes the directory, and refuses one that holds something else, is foreign, or on a full disk."""
        try:
            if self._is_somebody_elses:
                raise CannotRun(f"{self.run_dir} is not empty and no stack's", "choose another RUN_DIR")
            self.run_dir.mkdir(parents=True, exist_ok=True)
            owner = self.run_dir.stat().st_uid
            if owner != os.geteuid():
                raise CannotRun(
                    f"{self.run_dir} belongs to another user (uid {owner})",
                    f"run make as that user, or with RUN_DIR={DEFAULT_RUN_DIR}-{os.geteuid()} and another EDGE_PORT",
                )
            free = shutil.disk_usage(self.run_dir).free
            if free < _NEEDED_BYTES:
                raise CannotRun(
                    f"the disk below {self.run_dir} has {free // 1_000_000} MB free",
                    f"the stack needs {_NEEDED_BYTES // 1_000_000} MB; make room, or set RUN_DIR to another disk",
                )
            if not self.exists:
                write_private(self.run_dir / _MARK, "{}")
        except OSError as error:
            raise CannotRun(*explain_os_error(error)) from error

    def ports(self) -> PortBook:
        return PortBook(self.run_dir / "ports.json")

    def secrets(self) -> SecretBook:
        return SecretBook(self.run_dir / "secrets.json")

    def log(self, name: str) -> Path:
        return self.run_dir / "logs" / f"{name}.log"

    def pid_file(self, name: str) -> Path:
        return self.run_dir / "pids" / f"{name}.json"

    def running(self, name: str) -> bool:
        """Whether a process of this name runs, whoever started it."""
        return Daemon(name, [], log=self.log(name), pid_file=self.pid_file(name)).running

    def edge_port(self) -> int:
        """EDGE_PORT; else the port of last time; else 8080."""
        asked = os.environ.get("EDGE_PORT", "")
        noted = self.note("edge_port")
        if not asked:
            return int(noted) if noted else DEFAULT_EDGE_PORT
        if not asked.isdigit() or not 0 < int(asked) < 65536:  # noqa: PLR2004 - the range of ports
            raise CannotRun(f"EDGE_PORT={asked} is no port", "use a number between 1024 and 65535")
        return int(asked)

    def note(self, name: str) -> str | None:
        """Something an earlier command wrote down about this stack."""
        if not self.exists:
            return None
        value = json.loads((self.run_dir / _MARK).read_text()).get(name)
        return None if value is None else str(value)

    def write_note(self, name: str, value: object) -> None:
        path = self.run_dir / _MARK
        write_private(path, json.dumps({**json.loads(path.read_text()), name: value}, indent=1))

    def forget_notes(self, *names: str) -> None:
        """What was written down is no longer so."""
        path = self.run_dir / _MARK
        kept = {name: value for name, value in json.loads(path.read_text()).items() if name not in names}
        write_private(path, json.dumps(kept, indent=1))

    def remove(self) -> None:
        """Deletes the directory; refuses one that is no stack's."""
        if self._is_somebody_elses:
            raise CannotRun(f"{self.run_dir} is no stack's directory and stays", "check RUN_DIR")
        shutil.rmtree(self.run_dir, ignore_errors=True)


class SecretBook:
    """Secrets by name, made once, readable by their owner only. They protect invented data on one machine."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._secrets: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    def get(self, name: str, make: Callable[[], str] | None = None) -> str:
        """The secret; made by `make` on first use, 32 random bytes in base64 without it."""
        if name not in self._secrets:
            self._secrets[name] = (make or random_key)()
            write_private(self._path, json.dumps(self._secrets, indent=1, sort_keys=True))
        return self._secrets[name]


def random_key() -> str:
    """32 random bytes as base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def explain_os_error(error: OSError) -> tuple[str, str]:
    """A sentence about an error of the operating system, and what to do about it."""
    where = f" ({error.filename})" if error.filename else ""
    sentence = f"{error.strerror or error}{where}"
    advice = {
        errno.ENOSPC: "the disk is full: make room or set RUN_DIR to a directory on another disk, then `make up` again",
        errno.EDQUOT: "your disk quota is used up: make room, or set RUN_DIR to another disk",
        errno.EACCES: "this user may not write there: set RUN_DIR to a directory of your own",
        errno.EROFS: "the disk is read-only: set RUN_DIR to a directory that can be written",
        errno.EMFILE: "too many open files: raise `ulimit -n`",
        errno.ENOMEM: "out of memory: the stack needs 1.5 GB",
    }
    return sentence, advice.get(error.errno or 0, "")
