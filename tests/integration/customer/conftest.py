"""A running customer service, people who use it, and the codes that it sends to them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import jwt
import pytest
import pytest_asyncio
from jainshikanji.customer.v1 import auth_service_pb2 as auth
from jainshikanji.customer.v1.auth_service_pb2_grpc import AuthServiceStub
from jainshikanji.customer.v1.customer_service_pb2_grpc import CustomerServiceStub
from jainshikanji.customer.v1.session_pb2 import Tokens
from psycopg import AsyncConnection
from psycopg.rows import namedtuple_row

from chassis.process.service import Process
from chassis.rpc.interceptors.identity import HEADER
from services.customer.app import CustomerApp
from services.customer.model.codes import generate_code
from services.customer.usecases import codes
from tests import harness
from tests.harness import Identity, Platform

PASSWORD = "Nimbu-Pani-1947"
OTHER_PASSWORD = "Jaljeera & mint 7"


@dataclass
class Person:
    """A person with an email address, a password and a client address."""

    people: People
    email: str
    password: str = PASSWORD
    id: str = ""
    address: str = field(default_factory=lambda: f"198.{secrets.randbelow(256)}.{secrets.randbelow(256)}.7")

    @property
    def anonymous(self) -> Any:
        return self.people.auth(self.identity())

    def identity(self, tokens: Tokens | None = None) -> Identity:
        """The identity at the edge, from the person's address, with or without a token."""
        caller = harness.anonymous()
        if tokens is not None:
            caller = Identity("edge", ((HEADER, tokens.access_token.split(".")[1]),))
        return caller.sending(x_forwarded_for=self.address)

    def auth(self, tokens: Tokens) -> Any:
        return self.people.auth(self.identity(tokens))

    def customer(self, tokens: Tokens) -> Any:
        return self.people.customer(self.identity(tokens))

    async def register(self, **fields: Any) -> Person:
        request = auth.RegisterRequest(
            **{"email": self.email, "password": self.password, "first_name": "Asha", **fields}
        )
        self.id = (await self.anonymous.Register(request)).id
        return self

    async def log_in(self, password: str | None = None, **fields: Any) -> Tokens:
        request = auth.LoginRequest(email=self.email, password=password or self.password, **fields)
        tokens: Tokens = await self.anonymous.Login(request)
        return tokens

    async def refresh(self, token: str) -> Tokens:
        tokens: Tokens = await self.anonymous.Refresh(auth.RefreshRequest(refresh_token=token))
        return tokens

    async def request_password_reset(self) -> str:
        """Requests a code that resets the password; returns the code."""
        await self.anonymous.ForgotPassword(auth.ForgotPasswordRequest(email=self.email))
        return self.people.codes[-1]

    async def reset(self, code: str, password: str) -> None:
        request = auth.ResetPasswordRequest(email=self.email, code=code, new_password=password)
        await self.anonymous.ResetPassword(request)


def unused_phone() -> str:
    """An Indian mobile number that no other test uses."""
    return f"+919{secrets.randbelow(10**9):09d}"


class People:
    """Creates people, and queries the database of the service."""

    def __init__(self, platform: Platform, process: Process, issued_codes: list[str]) -> None:
        self.platform, self.process, self.codes = platform, process, issued_codes
        self.app = cast("CustomerApp", process.app)
        self._stubs: dict[tuple[Any, Identity], Any] = {}

    def auth(self, caller: Identity) -> Any:
        return self._stub(AuthServiceStub, caller)

    def customer(self, caller: Identity) -> Any:
        return self._stub(CustomerServiceStub, caller)

    def _stub(self, stub: Any, caller: Identity) -> Any:
        key = (stub, caller)
        if key not in self._stubs:
            self._stubs[key] = self.platform.stub("customer", stub, caller)
        return self._stubs[key]

    def new(self) -> Person:
        return Person(self, f"asha.{secrets.token_hex(6)}@example.in")

    async def register(self, **fields: Any) -> Person:
        return await self.new().register(**fields)

    async def query(self, statement: str, **parameters: Any) -> Any:
        """Rows of the database as named tuples, on a connection of its own."""
        url = self.process.settings.database_url.get_secret_value()
        async with await AsyncConnection.connect(url, autocommit=True, row_factory=namedtuple_row) as connection:
            cursor = await connection.execute(statement.encode(), parameters)
            return await cursor.fetchall()


@pytest_asyncio.fixture
async def customer(platform: Platform) -> Process:
    return await platform.start("customer")


@pytest.fixture
def issued_codes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The codes that are issued during the test, oldest first."""
    issued: list[str] = []

    def generate_and_record() -> str:
        issued.append(generate_code())
        return issued[-1]

    monkeypatch.setattr(codes, "generate_code", generate_and_record)
    return issued


@pytest.fixture
def people(platform: Platform, customer: Process, issued_codes: list[str]) -> People:
    return People(platform, customer, issued_codes)


def claims(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def session_of(tokens: Tokens) -> UUID:
    return UUID(tokens.session_id)
