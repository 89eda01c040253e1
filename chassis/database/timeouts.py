"""Timeouts of PostgreSQL for work that no request deadline ends.

The statements of a request end with its deadline. Periodic jobs, consumers, relays and sagas have no deadline; one that
hangs, on a lock or by a bad plan, would keep its connection for ever. So each login has timeouts of its own. They also
hold through a pooler, where a session's settings would apply to another client. A login sets them for itself with each
`migrate`, which needs no further right. Open connections keep the timeouts that they started with.

Periodic maintenance may scan whole tables and has a longer timeout; migrations have none.
"""

from __future__ import annotations

from typing import Final

# Three times the edge's limit for a request (`unary_seconds`); batches are limited in size.
STATEMENT: Final = "30s"
# Between two statements of a transaction lie arithmetic and encryption; 60 idle seconds mean that the process hangs.
IDLE_IN_TRANSACTION: Final = "60s"
# For scans and deletions that grow with the tables. Maintenance is repeated; a cancelled run loses nothing.
MAINTENANCE: Final = "10min"
# A statement that waits for a table lock blocks all that come after it: fail instead and try again later.
LOCK: Final = "5s"


def login_statements(statement: str = STATEMENT, idle: str = IDLE_IN_TRANSACTION) -> list[str]:
    """The statements with which a login sets its own timeouts for future connections."""
    return [
        f"ALTER ROLE CURRENT_USER SET statement_timeout = '{statement}'",
        f"ALTER ROLE CURRENT_USER SET idle_in_transaction_session_timeout = '{idle}'",
    ]


# For the session of a migration: building an index of a large table is not limited, waiting for its lock is.
MIGRATION_SESSION: Final = [
    "SET statement_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
]
