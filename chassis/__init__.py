"""Microservice chassis: what every service runs on. It knows no noun of the domain.

process      one replica: composition, life cycle, settings, periodic jobs, logs, command line
events       events out through the outbox, events in through the inbox, JetStream, dead letters
rpc          interceptors around every call, channels to other services, idempotency, pages, batch calls
security     certificates, field encryption, key rotation, throttles
database     statements with typed rows, transactions, migrations, leases

The floor below them: clock, ids, enums, money, timestamps, errors, contract (what the contracts state in options),
pii (normalised email addresses and phone numbers), batching, cache, tasks, tracing.
"""

from chassis.events.consumer import Handlers, batch
from chassis.process.app import App
from chassis.process.loops import Loop
from chassis.process.service import Service
from chassis.process.settings import ServiceSettings
from chassis.rpc.call import Call, Caller, Grant, Scope, current_call, current_caller

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
    "current_caller",
]
