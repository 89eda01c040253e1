"""Names the request: what the edge or the calling service sent as x-request-id, or a fresh id."""

from chassis import ids
from chassis.rpc.call import Call

HEADER = "x-request-id"
MAX_LENGTH = 64


def read(call: Call) -> None:
    given = call.metadata.get(HEADER, "")
    call.request_id = given if 0 < len(given) <= MAX_LENGTH else str(ids.new_id())
