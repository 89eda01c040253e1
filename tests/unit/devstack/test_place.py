"""Where a stack lives, and what it refuses."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from devstack import place as places
from devstack.files import tail, write_private
from devstack.place import CannotRun, Place, SecretBook
from devstack.ports import LOOPBACK, PortBook, free_port, is_free


def test_a_directory_that_holds_something_else_is_refused_and_stays(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    place = Place(tmp_path)
    with pytest.raises(CannotRun, match="not empty"):
        place.prepare()
    with pytest.raises(CannotRun):
        place.remove()
    assert (tmp_path / "thesis.txt").exists()


def test_a_full_disk_is_named_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_NEEDED_BYTES", 1 << 62)
    with pytest.raises(CannotRun, match="MB free") as failure:
        Place(tmp_path / "run").prepare()
    assert "RUN_DIR" in failure.value.advice


def test_what_a_start_on_a_full_disk_left_is_used_again_or_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path / "run")
    with monkeypatch.context() as full:
        full.setattr(places, "_NEEDED_BYTES", 1 << 62)
        with pytest.raises(CannotRun):
            place.prepare()
    assert list(place.run_dir.iterdir()) == []
    place.remove()
    assert not place.run_dir.exists()
    place.run_dir.mkdir()
    place.prepare()
    assert place.exists


def test_a_file_in_the_place_of_the_directory_is_refused_and_stays(tmp_path: Path) -> None:
    place = Place(tmp_path / "thesis.txt")
    place.run_dir.write_text("mine")
    for act in (place.prepare, place.remove):
        with pytest.raises(CannotRun):
            act()
    assert place.run_dir.exists()


@pytest.mark.parametrize("port", ["0", "65536", "eighty", "-1", "80.5"])
def test_an_edge_port_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("EDGE_PORT", port)
    with pytest.raises(CannotRun, match="EDGE_PORT"):
        Place(tmp_path).edge_port()


def test_the_edge_port_is_the_one_asked_for_else_that_of_last_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGE_PORT", raising=False)
    place = Place(tmp_path / "run")
    assert place.edge_port() == 8080
    place.prepare()
    place.write_note("edge_port", 9001)
    assert place.edge_port() == 9001
    monkeypatch.setenv("EDGE_PORT", "9002")
    assert place.edge_port() == 9002
    place.forget_notes("edge_port")
    assert place.note("edge_port") is None


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    book = tmp_path / "secrets.json"
    first = SecretBook(book).get("order-index-key")
    assert SecretBook(book).get("order-index-key") == first
    assert SecretBook(book).get("order-signing-key") != first
    assert stat.S_IMODE(book.stat().st_mode) == 0o600


def test_a_private_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file"
    write_private(target, "one")
    write_private(target, b"two")
    assert target.read_text() == "two"
    assert list(target.parent.iterdir()) == [target]


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail(log, 3) == []
    log.write_text("\n".join(str(number) for number in range(100_000)))
    assert tail(log, 2) == ["99998", "99999"]


def test_a_port_that_a_name_keeps_is_none_that_anybody_else_finds_free(tmp_path: Path) -> None:
    book = PortBook(tmp_path / "ports.json")
    kept = [book.port(str(number)) for number in range(20)]
    found = [free_port() for _ in range(20)]
    assert max(kept) < min(found)


def test_a_name_keeps_its_port(tmp_path: Path) -> None:
    book = PortBook(tmp_path / "ports.json")
    port = book.port("order")
    assert PortBook(tmp_path / "ports.json").port("order") == port
    assert book.port("payment") != port
    assert book.replace("order") != port


def test_a_port_with_a_listener_is_not_free() -> None:
    import socket

    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen()
        assert not is_free(server.getsockname()[1])
    assert is_free(free_port())
