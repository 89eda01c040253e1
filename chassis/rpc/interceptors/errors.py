"""Converts exceptions of use cases to domain errors. An unknown exception leaves the service as its request id only."""

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
    """A fault of the service; `request_id` finds it in the logs."""

    code = grpc.StatusCode.INTERNAL
    deterministic = False


@contextmanager
def convert_errors(call: Call) -> Iterator[None]:
    """Raises only DomainErrors; sets Retry-After for ResourceExhausted."""
    try:
        yield
    except DomainError as error:
        if isinstance(error, ResourceExhausted):
            call.set_header("retry-after", str(max(1, round(error.retry_after))))
        raise
    except Exception as error:
        raise to_domain_error(error, call) from error


def to_domain_error(error: Exception, call: Call) -> DomainError:
    """The error for the caller; details for operators go to the log."""
    if isinstance(error, DomainError):
        return error
    if isinstance(error, UNAVAILABLE_ERRORS):
        log.warning("the database did not respond", method=call.method.name, error=str(error))
        return Unavailable()
    log.error("unhandled exception", method=call.method.name, exc_info=error)
    return Internal("internal error", request_id=call.request_id)
