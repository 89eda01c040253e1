"""Creates `.venv` and installs the packages of a lock file. Needs the standard library only.

    python3 -m devstack.environment          packages of the local stack, the benchmark and most tests
    python3 -m devstack.environment check    the same, and linters, type checker and chart tools

Returns without work when the packages are installed already.
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
from typing import NamedTuple, NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / ".installed"
LOG = VENV / "install.log"
_REQUIREMENT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(\[[^]]*\])?==", re.MULTILINE)
_SHOWN_LINES = 20


class PackageSet(NamedTuple):
    """The packages of one lock file. `needed_bytes`: free disk for them and for the data of a local stack."""

    name: str
    lock: Path
    needed_bytes: int


# Each set contains the one before it: pyproject.toml lists the packages, `make lock` writes the files.
PACKAGE_SETS = (
    PackageSet("dev", ROOT / "requirements.dev.lock", 1_500_000_000),
    PackageSet("check", ROOT / "requirements.lock", 2_500_000_000),
)


def main() -> None:
    wanted = _select_set(sys.argv[1] if len(sys.argv) > 1 else "dev")
    fingerprint = _compute_fingerprint()
    if _is_installed(wanted, fingerprint):
        return
    ROOT.joinpath(".cache").mkdir(exist_ok=True)
    with ROOT.joinpath(".cache", "environment.lock").open("w") as lock:
        # Two stacks of one checkout may start together; the second waits and finds the packages installed.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_installed(wanted, fingerprint):
            _install(wanted, fingerprint)


def _select_set(name: str) -> PackageSet:
    by_name = {each.name: each for each in PACKAGE_SETS}
    if name not in by_name:
        _fail(f"there is no package set {name}; choose one of: {', '.join(by_name)}")
    return by_name[name]


def _is_installed(wanted: PackageSet, fingerprint: str) -> bool:
    """Whether the set, or one that contains it, was installed from the current lock files."""
    if not STAMP.exists():
        return False
    installed_fingerprint, _, installed = STAMP.read_text().partition(" ")
    return installed_fingerprint == fingerprint and installed in _names_from(wanted)


def _names_from(wanted: PackageSet) -> list[str]:
    """The set's name and those of the sets that contain it."""
    names = [each.name for each in PACKAGE_SETS]
    return names[names.index(wanted.name) :]


def _compute_fingerprint() -> str:
    """A hash of the lock files, pyproject.toml, the Python version and the checkout's path."""
    inputs = hashlib.sha256()
    for path in (*(each.lock for each in PACKAGE_SETS), ROOT / "pyproject.toml"):
        if not path.exists():
            _fail(f"{path.name} is missing: this checkout is incomplete")
        inputs.update(path.read_bytes())
    inputs.update(f"{sys.version_info[:2]} {ROOT}".encode())
    return inputs.hexdigest()


def _install(wanted: PackageSet, fingerprint: str) -> None:
    started = time.monotonic()
    _require_disk_space(wanted)
    _create_venv()
    total = len(_REQUIREMENT.findall(wanted.lock.read_text()))
    _report(
        f"installing up to {total} packages into .venv (once per change of {wanted.lock.name}); takes 1 to 2 minutes"
    )
    LOG.unlink(missing_ok=True)
    _run_pip("--require-hashes", "-r", str(wanted.lock), total=total)
    _run_pip("--no-deps", "--no-build-isolation", "-e", str(ROOT), total=1)
    STAMP.write_text(f"{fingerprint} {wanted.name}")
    _report(f"packages installed in {time.monotonic() - started:.0f} s")


def _require_disk_space(wanted: PackageSet) -> None:
    free = shutil.disk_usage(ROOT).free
    if free < wanted.needed_bytes and not VENV.exists():
        _fail(f"{free / 1e9:.1f} GB are free in {ROOT}; packages and data need {wanted.needed_bytes / 1e9:.1f} GB")


def _create_venv() -> None:
    if _is_venv_usable():
        return
    _report(f"creating .venv with Python {sys.version_info.major}.{sys.version_info.minor}")
    shutil.rmtree(VENV, ignore_errors=True)
    created = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False)
    if created.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        _fail(
            "Python cannot create a virtual environment"
            f" (Debian and Ubuntu: apt-get install python3-venv). Its output:\n{created.stdout}{created.stderr}"
        )


def _is_venv_usable() -> bool:
    """Whether .venv exists, has this Python version and has pip."""
    python = VENV / "bin" / "python"
    if not python.exists():
        return False
    check = "import sys, pip; print(sys.version_info[:2])"
    run = subprocess.run([str(python), "-c", check], capture_output=True, text=True, check=False)
    return run.returncode == 0 and run.stdout.strip() == str(sys.version_info[:2])


def _run_pip(*arguments: str, total: int) -> None:
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
                name = line.split()[1 if line.startswith("C") else 3].partition("==")[0]
                _show_progress(f"{seen} of {total}: {name}", seen)
            elif line.startswith("Installing collected packages"):
                _show_progress("writing files", 0 if total > 1 else 1)
    _clear_progress()
    if process.returncode != 0:
        last = "".join(LOG.read_text().splitlines(keepends=True)[-_SHOWN_LINES:])
        _fail(f"pip could not install the packages; log: {LOG}\n{last}\nCheck network and disk space, then try again.")


def _show_progress(text: str, count: int) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K  {text[:70]}", end="", file=sys.stderr, flush=True)
    elif count % 25 == 0:
        _report(text)


def _clear_progress() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def _report(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def _fail(text: str) -> NoReturn:
    raise SystemExit(f"error: {text}")


if __name__ == "__main__":
    main()
