"""Run directories, ports and secrets of the local stack."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from devstack import run_directory as module
from devstack.files import read_tail, write_private
from devstack.ports import LOOPBACK, PortStore, free_port, is_free
from devstack.run_directory import CannotRun, RunDirectory, SecretStore


def test_a_directory_with_other_content_is_rejected_and_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    run_directory = RunDirectory(tmp_path)
    with pytest.raises(CannotRun, match="not empty"):
        run_directory.prepare()
    with pytest.raises(CannotRun):
        run_directory.remove()
    assert (tmp_path / "thesis.txt").exists()


def test_a_full_disk_is_reported_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_NEEDED_BYTES", 1 << 62)
    with pytest.raises(CannotRun, match="MB free") as failure:
        RunDirectory(tmp_path / "run").prepare()
    assert "RUN_DIR" in failure.value.advice


def test_the_directory_of_a_start_on_a_full_disk_is_reused_or_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_directory = RunDirectory(tmp_path / "run")
    with monkeypatch.context() as full:
        full.setattr(module, "_NEEDED_BYTES", 1 << 62)
        with pytest.raises(CannotRun):
            run_directory.prepare()
    assert list(run_directory.path.iterdir()) == []
    run_directory.remove()
    assert not run_directory.path.exists()
    run_directory.path.mkdir()
    run_directory.prepare()
    assert run_directory.exists


def test_a_file_instead_of_a_directory_is_rejected_and_not_deleted(tmp_path: Path) -> None:
    run_directory = RunDirectory(tmp_path / "thesis.txt")
    run_directory.path.write_text("mine")
    for action in (run_directory.prepare, run_directory.remove):
        with pytest.raises(CannotRun):
            action()
    assert run_directory.path.exists()


@pytest.mark.parametrize("port", ["0", "65536", "eighty", "-1", "80.5"])
def test_an_invalid_edge_port_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("EDGE_PORT", port)
    with pytest.raises(CannotRun, match="EDGE_PORT"):
        RunDirectory(tmp_path).edge_port()


def test_the_edge_port_is_the_requested_one_or_the_previous_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGE_PORT", raising=False)
    run_directory = RunDirectory(tmp_path / "run")
    assert run_directory.edge_port() == 8080
    run_directory.prepare()
    run_directory.write_note("edge_port", 9001)
    assert run_directory.edge_port() == 9001
    monkeypatch.setenv("EDGE_PORT", "9002")
    assert run_directory.edge_port() == 9002
    run_directory.delete_notes("edge_port")
    assert run_directory.read_note("edge_port") is None


def test_secrets_are_generated_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    store = tmp_path / "secrets.json"
    first = SecretStore(store).get("order-index-key")
    assert SecretStore(store).get("order-index-key") == first
    assert SecretStore(store).get("order-signing-key") != first
    assert stat.S_IMODE(store.stat().st_mode) == 0o600


def test_a_private_file_is_replaced_atomically(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file"
    write_private(target, "one")
    write_private(target, b"two")
    assert target.read_text() == "two"
    assert list(target.parent.iterdir()) == [target]


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert read_tail(log, 3) == []
    log.write_text("\n".join(str(number) for number in range(100_000)))
    assert read_tail(log, 2) == ["99998", "99999"]


def test_stored_and_temporary_ports_are_in_different_ranges(tmp_path: Path) -> None:
    store = PortStore(tmp_path / "ports.json")
    kept = [store.port(str(number)) for number in range(20)]
    found = [free_port() for _ in range(20)]
    assert max(kept) < min(found)


def test_a_name_keeps_its_port(tmp_path: Path) -> None:
    store = PortStore(tmp_path / "ports.json")
    port = store.port("order")
    assert PortStore(tmp_path / "ports.json").port("order") == port
    assert store.port("payment") != port
    assert store.replace("order") != port


def test_a_port_with_a_listener_is_not_free() -> None:
    import socket

    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen()
        assert not is_free(server.getsockname()[1])
    assert is_free(free_port())
