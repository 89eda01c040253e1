"""What every service is bolted to; knows no noun of the domain.

service, app, settings, commands     the process: composition, life cycle, environment, command line
interceptors/, call, contract        around every rpc: who calls, may they, is it valid; what the contract says
errors                               refusals as types, and what they are on the wire
peers, tls                           calls to other services over mutual TLS
db, tables, migrations, partitions   the service's own database
outbox, consumer, dead_letters, bus  events out and in, each effect once
idempotency, deadlocks               writes that do not repeat, transactions that do
batching, cache                      writes that share a commit, reads that are kept
lease, loops                         work that one replica does
pagination, money, words, times      small grammar of contracts and rows
crypto, key_rotation, pii            fields sealed, sealed anew, addresses normalised
revocation, throttle                 ended sessions refused, attempts counted
logs, tracing                        what can be seen from outside
"""

from chassis.events.consumer import Handlers, batch
from chassis.process.app import App
from chassis.process.loops import Loop
from chassis.process.service import Service
from chassis.process.settings import ServiceSettings
from chassis.rpc.call import Call, Caller, Grant, Scope, current_call

__all__ = [
    "App",
    "Call",
    "Caller",
    "Grant",
    "Handlers",
    "Loop",
    "Scope",
    "Service",
    "ServiceSettings",
    "batch",
    "current_call",
]
