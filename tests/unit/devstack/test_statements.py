"""Statements parsed from PostgreSQL's log, and which of them belong to requests."""

from __future__ import annotations

from pathlib import Path

from devstack.statements import StatementLog, group_by_transaction, select_request_transactions

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


def _read_log(directory: Path) -> StatementLog:
    log = directory / "postgres.log"
    log.write_text(_BEFORE)
    statements = StatementLog(log)
    with log.open("a") as file:
        file.write(_LOG)
    return statements


def test_statements_have_parameters_and_exclude_earlier_ones(tmp_path: Path) -> None:
    first = _read_log(tmp_path).statements()[0]
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


def test_statements_between_begin_and_commit_are_one_transaction(tmp_path: Path) -> None:
    sizes = sorted(len(transaction) for transaction in group_by_transaction(_read_log(tmp_path).statements()))
    assert sizes == [1, 1, 1, 3]


def test_statements_of_relays_and_consumers_belong_to_no_request(tmp_path: Path) -> None:
    requested = [
        transaction[0].text.split()[0:2]
        for transaction in select_request_transactions(_read_log(tmp_path).statements())
    ]
    assert requested == [["SELECT", "name"], ["SELECT", "1"]]


def test_a_row_lock_is_not_a_write(tmp_path: Path) -> None:
    writes = [statement.text.split()[0] for statement in _read_log(tmp_path).statements() if statement.writes]
    assert writes == ["UPDATE", "INSERT"]
