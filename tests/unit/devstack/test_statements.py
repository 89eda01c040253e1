"""What the server's log says of statements, and which of them a request asked for."""

from __future__ import annotations

from pathlib import Path

from devstack.statements import Heard, of_requests, transactions

_BEFORE = "2026-11-25 22:40:33.811 UTC [7] order@order_db LOG:  statement: SELECT 0\n"
_LOG = """\
2026-11-25 22:40:34.811 UTC [7] order@order_db LOG:  execute _pg3_0: 
\t    SELECT name
\t    FROM orders WHERE id = $1 AND note = $2
2026-11-25 22:40:34.811 UTC [7] order@order_db DETAIL:  Parameters: $1 = 'it''s', $2 = NULL
2026-11-25 22:40:34.812 UTC [1] LOG:  checkpoint starting: time
2026-11-25 22:40:34.813 UTC [8] order@order_db LOG:  statement: BEGIN
2026-11-25 22:40:34.813 UTC [9] order@order_db LOG:  execute _pg3_1: UPDATE outbox SET published_at = now()
2026-11-25 22:40:34.814 UTC [8] order@order_db LOG:  execute <unnamed>: INSERT INTO inbox (event_id) VALUES ($1)
2026-11-25 22:40:34.814 UTC [8] order@order_db DETAIL:  Parameters: $1 = 'a'
2026-11-25 22:40:34.815 UTC [8] order@order_db LOG:  statement: COMMIT
2026-11-25 22:40:34.816 UTC [8] order@order_db LOG:  statement: SELECT 1 FOR NO KEY UPDATE
"""  # noqa: W291 - as the server writes it


def _heard(directory: Path) -> Heard:
    log = directory / "postgres.log"
    log.write_text(_BEFORE)
    heard = Heard(log)
    with log.open("a") as file:
        file.write(_LOG)
    return heard


def test_statements_come_with_their_parameters_and_without_what_was_before(tmp_path: Path) -> None:
    first = _heard(tmp_path).statements()[0]
    assert (first.database, first.process) == ("order_db", 7)
    assert first.text.split() == [
        "SELECT",
        "name",
        "FROM",
        "orders",
        "WHERE",
        "id",
        "=",
        "$1",
        "AND",
        "note",
        "=",
        "$2",
    ]
    assert first.parameters == {1: "it's", 2: None}


def test_what_one_connection_brackets_is_one_transaction(tmp_path: Path) -> None:
    sizes = sorted(len(transaction) for transaction in transactions(_heard(tmp_path).statements()))
    assert sizes == [1, 1, 1, 3]


def test_relays_and_consumers_are_nobodys_request(tmp_path: Path) -> None:
    asked = [transaction[0].text.split()[0:2] for transaction in of_requests(_heard(tmp_path).statements())]
    assert asked == [["SELECT", "name"], ["SELECT", "1"]]


def test_a_lock_is_no_change(tmp_path: Path) -> None:
    changing = [statement.text.split()[0] for statement in _heard(tmp_path).statements() if statement.writes]
    assert changing == ["UPDATE", "INSERT"]
