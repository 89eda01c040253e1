"""Reads the caller's deadline; calls to other services get the rest of it."""

from chassis.clock import now
from chassis.rpc.call import Call


def read_deadline(call: Call) -> None:
    remaining = call.context.time_remaining()
    if remaining is not None:
        call.deadline = now().timestamp() + remaining
