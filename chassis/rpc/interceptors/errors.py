"""Turns what a use case raises into a refusal. Of an unknown exception only the request id leaves the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import structlog

from chassis.database import UNAVAILABLE_ERRORS
from chassis.errors import DomainError, ResourceExhausted, Unavailable
from chassis.rpc.call import Call

log = structlog.get_logger(__name__)


class Internal(DomainError):
    """A fault of the service. The request id finds it in the logs."""

    code = grpc.StatusCode.INTERNAL
    deterministic = False


@contextmanager
def translate(call: Call) -> Iterator[None]:
    try:
        yield
    except DomainError as refusal:
        if isinstance(refusal, ResourceExhausted):
            call.set_header("retry-after", str(max(1, round(refusal.retry_after))))
        raise
    except Exception as error:
        raise to_domain_error(error, call) from error


def to_domain_error(error: Exception, call: Call) -> DomainError:
    """What the caller is told of an exception; what only operators may know is logged."""
    if isinstance(error, DomainError):
        return error
    if isinstance(error, UNAVAILABLE_ERRORS):
        log.warning("the database did not answer", method=call.method.name, error=str(error))
        return Unavailable()
    log.error("unhandled", method=call.method.name, exc_info=error)
    return Internal("internal error", request_id=call.request_id)
