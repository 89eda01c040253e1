"""The service's own database: statements with typed rows, run on a pool of psycopg connections.

statements        SQL compiled once, with the type of its rows
rows              column lists from row types, parameters from new rows
pool              connections, transactions, errors that a later attempt may overcome
batched_reads     keys that requests look up at the same time, in one statement
retries           transactions repeated after a deadlock
lease             work that one replica does at a time
tables            the tables of the chassis in every service's database
migrations        schema changes, partitions: monthly partitions
timeouts          how long a statement, an idle transaction or a lock wait may last
"""

from chassis.database.pool import (
    TIMEOUT_ERRORS,
    UNAVAILABLE_ERRORS,
    Database,
    Jsonb,
    OutboxWriter,
    Transaction,
)
from chassis.database.statements import Statement, sql, statement

__all__ = [
    "TIMEOUT_ERRORS",
    "UNAVAILABLE_ERRORS",
    "Database",
    "Jsonb",
    "OutboxWriter",
    "Statement",
    "Transaction",
    "sql",
    "statement",
]
