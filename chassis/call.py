"""The call that is being served: who calls, with what, and what may be sent back beside the answer."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from google.protobuf.message import Message

from chassis.contract import Method
from chassis.errors import Unauthenticated


@dataclass(frozen=True, slots=True)
class Grant:
    """One role within one tenant, as the token states it."""

    tenant_id: UUID
    role: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: an account through the edge, a service for itself, or nobody."""

    account_id: UUID | None = None
    session_id: UUID | None = None
    roles: frozenset[str] = frozenset()
    grants: tuple[Grant, ...] = ()
    service: str | None = None

    @property
    def is_admin(self) -> bool:
        return "ADMIN" in self.roles

    def __str__(self) -> str:
        """Tells callers apart, for idempotency keys and page tokens; holds no personal data."""
        return str(self.account_id or self.service or "anonymous")


NOBODY = Caller()


@dataclass(frozen=True, slots=True)
class Scope:
    """What of the resource is the caller's: everything, rows it owns, rows of its tenants."""

    everything: bool = False
    owner: UUID | None = None
    tenants: list[UUID] = field(default_factory=list)

    def params(self) -> dict[str, Any]:
        """Parameters of a statement that narrows: `everything`, `owner`, `tenants`."""
        return {"everything": self.everything, "owner": self.owner, "tenants": self.tenants}


@dataclass(slots=True)
class Call:
    """One rpc in progress. Interceptors fill it; servicers read it by `current_call()`."""

    method: Method
    context: Any
    metadata: dict[str, str]
    raw_request: bytes
    request: Message | None = None
    request_id: str = ""
    caller: Caller = NOBODY
    scope: Scope = field(default_factory=Scope)
    deadline: float | None = None
    response_headers: list[tuple[str, str]] = field(default_factory=list)

    @property
    def account(self) -> UUID:
        """The account that calls. Unauthenticated when there is none: methods that ask for it admit accounts only."""
        if self.caller.account_id is None:
            raise Unauthenticated
        return self.caller.account_id

    @property
    def idempotency_key(self) -> str:
        """What the caller sent as Idempotency-Key; the contract says which methods require it."""
        return self.metadata.get("idempotency-key", "")

    def set_header(self, name: str, value: str) -> None:
        """Adds a response header, sent in front of the answer; repeated names make repeated headers."""
        self.response_headers.append((name, value))


_current: ContextVar[Call] = ContextVar("call")


def current_call() -> Call:
    """The call this task serves. LookupError outside of one."""
    return _current.get()


def find_call() -> Call | None:
    """The call this task serves; None in loops and event handlers."""
    return _current.get(None)


def enter(call: Call) -> None:
    """Makes the call current for this task and what it starts."""
    _current.set(call)
