"""Notes until when the caller waits; calls to peers get what is left of it."""

from chassis.clock import now
from chassis.rpc.call import Call


def read(call: Call) -> None:
    remaining = call.context.time_remaining()
    if remaining is not None:
        call.deadline = now().timestamp() + remaining
