"""Notes until when the caller waits; calls to peers get what is left of it."""

from chassis.call import Call
from chassis.clock import now


def read(call: Call) -> None:
    remaining = call.context.time_remaining()
    if remaining is not None:
        call.deadline = now().timestamp() + remaining
