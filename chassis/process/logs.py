"""Structured logs: one JSON object a line on stdout, with what may not be read taken out.

A key is redacted when it is the name of a contract field marked `pii`, or one of the words for secrets below; so a
careless `log.info("registered", email=...)` prints `[redacted]`.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from jainshikanji.options.v1 import pii_pb2

from chassis.rpc.call import find_current_call

REDACTED = "[redacted]"
SECRET_WORDS = {
    "authorization", "cookie", "set-cookie", "password", "secret", "token", "access_token", "refresh_token", "code",
    "key", "email", "phone", "address", "address_line1", "address_line2", "landmark", "latitude", "longitude",
    "date_of_birth", "ip_address", "user_agent",
}  # fmt: skip
# Addresses of people inside free text, such as an exception's.
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")


def configure(service: str, level: str) -> None:
    """Sends structlog and the standard library's loggers to stdout as JSON."""
    redacted = SECRET_WORDS | _pii_fields()

    def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for name, value in event.items():
            if name.lower() in redacted:
                event[name] = REDACTED
            elif isinstance(value, str) and "@" in value:
                event[name] = _EMAIL.sub(REDACTED, value)
        return event

    def name_call(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        call = find_current_call()
        if call is not None:
            event.setdefault("request_id", call.request_id)
        return event

    shared: list[Any] = [
        structlog.processors.add_log_level,
        name_call,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    numeric = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_dumps),
            ],
        )
    )
    logging.basicConfig(level=max(numeric, logging.WARNING), handlers=[handler], force=True)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


_ENCODER = json.JSONEncoder(default=str, ensure_ascii=False, separators=(",", ":"))


def _dumps(event: Any, **_: Any) -> str:
    return _ENCODER.encode(event)


def _pii_fields() -> set[str]:
    """Names of all fields that the loaded contracts mark as personal."""
    names: set[str] = set()
    for name, module in list(sys.modules.items()):
        if name.startswith("jainshikanji.") and name.endswith("_pb2"):
            messages = list(module.DESCRIPTOR.message_types_by_name.values())
            while messages:
                message = messages.pop()
                messages.extend(message.nested_types)
                names.update(field.name for field in message.fields if field.GetOptions().Extensions[pii_pb2.pii])
    return names
