"""Makes `.venv` from the lock. Runs on the system's Python with nothing installed, so it uses nothing but itself.

python3 -m devstack.environment        a second call sees that all is there and returns at once
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / ".installed"
LOG = VENV / "install.log"
NEEDED_BYTES = 2_500_000_000
_REQUIREMENT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(\[[^]]*\])?==", re.MULTILINE)
_SHOWN_LINES = 20


def main() -> None:
    fingerprint = _fingerprint()
    if STAMP.exists() and STAMP.read_text() == fingerprint:
        return
    ROOT.joinpath(".cache").mkdir(exist_ok=True)
    with ROOT.joinpath(".cache", "environment.lock").open("w") as turn:
        # Two stacks of one clone may start together; the second waits and finds everything done.
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not (STAMP.exists() and STAMP.read_text() == fingerprint):
            _install(fingerprint)


def _fingerprint() -> str:
    """Changes with what is to be installed and with the Python that it is installed for."""
    inputs = hashlib.sha256()
    for path in (LOCK, ROOT / "pyproject.toml"):
        if not path.exists():
            _fail(f"{path.name} is missing; this is not a whole checkout")
        inputs.update(path.read_bytes())
    inputs.update(f"{sys.version_info[:2]} {ROOT}".encode())
    return inputs.hexdigest()


def _install(fingerprint: str) -> None:
    started = time.monotonic()
    _check_disk()
    _make_venv()
    total = len(_REQUIREMENT.findall(LOCK.read_text()))
    _say(f"installing up to {total} packages into .venv, once; this takes a minute or two")
    LOG.write_bytes(b"")
    _pip("--require-hashes", "-r", str(LOCK), total=total)
    _pip("--no-deps", "--no-build-isolation", "-e", str(ROOT), total=1)
    STAMP.write_text(fingerprint)
    _say(f"packages are installed ({time.monotonic() - started:.0f} s)")


def _check_disk() -> None:
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES and not VENV.exists():
        _fail(f"{free / 1e9:.1f} GB are free below {ROOT}; the packages and the data need {NEEDED_BYTES / 1e9:.1f} GB")


def _make_venv() -> None:
    if _works():
        return
    _say(f"making .venv with Python {sys.version_info.major}.{sys.version_info.minor}")
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        _fail(
            "Python cannot make a virtual environment"
            f" (Debian and Ubuntu: apt-get install python3-venv). It said:\n{made.stdout}{made.stderr}"
        )


def _works() -> bool:
    """Whether there is an environment of this Python version that has pip."""
    python = VENV / "bin" / "python"
    if not python.exists():
        return False
    check = "import sys, pip; print(sys.version_info[:2])"
    run = subprocess.run([str(python), "-c", check], capture_output=True, text=True, check=False)
    return run.returncode == 0 and run.stdout.strip() == str(sys.version_info[:2])


def _pip(*arguments: str, total: int) -> None:
    command = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    command += ["--progress-bar", "off", *arguments]
    seen = 0
    with (
        LOG.open("a") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            if line.startswith(("Collecting ", "Requirement already satisfied: ")):
                seen += 1
                _progress(
                    f"{seen} of {total}: {line.split()[1 if line.startswith('C') else 3].partition('==')[0]}", seen
                )
            elif line.startswith("Installing collected packages"):
                _progress("writing the files", 0 if total > 1 else 1)
    _end_progress()
    if process.returncode != 0:
        last = "".join(LOG.read_text().splitlines(keepends=True)[-_SHOWN_LINES:])
        _fail(
            f"pip could not install the packages; log: {LOG}\n{last}\nCheck the network and the disk, then try again."
        )


def _progress(text: str, count: int) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K  {text[:70]}", end="", file=sys.stderr, flush=True)
    elif count % 25 == 0:
        _say(text)


def _end_progress() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def _fail(text: str) -> NoReturn:
    raise SystemExit(f"error: {text}")


if __name__ == "__main__":
    main()
