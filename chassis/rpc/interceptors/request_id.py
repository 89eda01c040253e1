"""The request id: the x-request-id header of the edge or the calling service, or a new id."""

from chassis import ids
from chassis.rpc.call import Call

HEADER = "x-request-id"
MAX_LENGTH = 64


def read_request_id(call: Call) -> None:
    received = call.metadata.get(HEADER, "")
    call.request_id = received if 0 < len(received) <= MAX_LENGTH else str(ids.new_id())
