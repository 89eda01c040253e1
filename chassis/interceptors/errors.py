"""Turns what a use case raises into a refusal. Of an unknown exception only the request id leaves the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import structlog

from chassis.call import Call
from chassis.db import AWAY
from chassis.errors import Refusal, ResourceExhausted, Unavailable

log = structlog.get_logger(__name__)


class Internal(Refusal):
    """A fault of the service. The request id finds it in the logs."""

    code = grpc.StatusCode.INTERNAL
    deterministic = False


@contextmanager
def translate(call: Call) -> Iterator[None]:
    try:
        yield
    except Refusal as refusal:
        if isinstance(refusal, ResourceExhausted):
            call.set_header("retry-after", str(max(1, round(refusal.retry_after))))
        raise
    except Exception as error:
        raise as_refusal(error, call) from error


def as_refusal(error: Exception, call: Call) -> Refusal:
    """What the caller is told of an exception; what only operators may know is logged."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, AWAY):
        log.warning("the database did not answer", method=call.method.name, error=str(error))
        return Unavailable()
    log.error("unhandled", method=call.method.name, exc_info=error)
    return Internal("internal error", request_id=call.request_id)
