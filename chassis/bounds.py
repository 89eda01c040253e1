"""How long PostgreSQL works for a service when nobody waits for the answer.

A request's statements end with its deadline. Those of loops, consumers, relays and sagas have none, and one that hangs,
for a lock or by a bad plan, would keep its connection for ever. So each login has bounds of its own, which hold through
a pooler too, where a session's settings would be another client's. A login sets them for itself with each `migrate`:
it may, and neither operators nor charts need to know them. Connections that were open before keep what they had.

Periodic upkeep may walk over whole tables and has a longer bound; migrations have none.
"""

from __future__ import annotations

from typing import Final

# Three times what the edge grants a request (`unary_seconds`), whose statements end sooner; batches are bounded.
STATEMENT: Final = "30s"
# Between two statements lie arithmetic and sealing; a transaction that rests this long belongs to a process that hangs.
IDLE_IN_TRANSACTION: Final = "60s"
# For scans and deletions that grow with the tables. Upkeep comes again; a run that is cut loses nothing.
UPKEEP: Final = "10min"
# Whoever waits for a table makes all wait who come after: rather no upkeep and no migration now.
LOCK: Final = "5s"


def of_login(statement: str = STATEMENT, idle: str = IDLE_IN_TRANSACTION) -> list[str]:
    """What a login runs to be bounded from its next connection on."""
    return [
        f"ALTER ROLE CURRENT_USER SET statement_timeout = '{statement}'",
        f"ALTER ROLE CURRENT_USER SET idle_in_transaction_session_timeout = '{idle}'",
    ]


# For the session of a migration: an index of a large table takes what it takes, waiting for its lock does not.
OF_MIGRATION: Final = [
    "SET statement_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
]
