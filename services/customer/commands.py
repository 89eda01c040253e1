"""Inputs of the use cases, as servicers and event handlers read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias
from uuid import UUID

from chassis.rpc.client_address import network_of
from services.customer.model.personal_data import Place

PreferenceColumn: TypeAlias = Literal[
    "preferred_spice_level",
    "dietary_restrictions",
    "favorite_categories",
    "preferred_payment_method",
    "preferred_delivery_time",
]


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """The client of a request, as the edge saw it."""

    address: str | None
    user_agent: str | None

    @property
    def network(self) -> str:
        """The network whose attempts are counted together."""
        return network_of(self.address)


@dataclass(frozen=True, slots=True)
class Device:
    """What a client states about its device; shown in the list of sessions, used for nothing else."""

    type: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class NewAccount:
    """The data of a new account. Empty texts are absent."""

    email: str
    phone: str = ""
    first_name: str = ""
    last_name: str = ""
    display_name: str = ""
    locale: str = ""


@dataclass(frozen=True, slots=True)
class RegisterAccount:
    """A registration with its password."""

    account: NewAccount
    password: str
    client: ClientInfo


@dataclass(frozen=True, slots=True)
class LogIn:
    """Credentials of a login."""

    email: str
    password: str
    device: Device
    client: ClientInfo


@dataclass(frozen=True, slots=True)
class RefreshSession:
    """A refresh token that the client exchanges."""

    refresh_token: str
    client: ClientInfo


@dataclass(frozen=True, slots=True)
class VerifyEmail:
    """The code that was sent to the email address."""

    email: str
    code: str
    client: ClientInfo


@dataclass(frozen=True, slots=True)
class RequestPasswordReset:
    """A request for a code that resets the password."""

    email: str
    client: ClientInfo


@dataclass(frozen=True, slots=True)
class ResetPassword:
    """A new password with the code that was sent to the email address."""

    email: str
    code: str
    new_password: str
    client: ClientInfo


@dataclass(frozen=True, slots=True)
class ChangePassword:
    """A new password with the current one."""

    current_password: str
    new_password: str
    device: Device
    client: ClientInfo


@dataclass(frozen=True, slots=True)
class AcceptInvitation:
    """The code of an invitation."""

    code: str
    client: ClientInfo


@dataclass(frozen=True, slots=True)
class InviteStaff:
    """A person whom a store invites. The phone may be empty."""

    email: str
    phone: str
    name: str
    store_id: UUID
    job: str


@dataclass(frozen=True, slots=True)
class UpdateProfile:
    """New values of a profile; None keeps the present value, an empty text removes it."""

    customer_id: UUID
    known_version: int | None
    first_name: str | None = None
    last_name: str | None = None
    display_name: str | None = None
    phone: str | None = None
    date_of_birth: str | None = None
    gender: str | None = None
    locale: str | None = None


@dataclass(frozen=True, slots=True)
class CreateAddress:
    """A new address. The label may be empty."""

    customer_id: UUID
    type: str
    label: str
    place: Place
    is_default: bool


@dataclass(frozen=True, slots=True)
class UpdateAddress:
    """New values of an address; None keeps the present value, an empty label removes it."""

    customer_id: UUID
    address_id: UUID
    known_version: int | None
    type: str | None
    label: str | None
    place: Place | None
    is_default: bool | None


@dataclass(frozen=True, slots=True)
class UpdatePreferences:
    """The preferences that change."""

    customer_id: UUID
    changes: Mapping[PreferenceColumn, object]


@dataclass(frozen=True, slots=True)
class ApplyEmployment:
    """The state of an employment in a store; `version` orders the states."""

    staff_id: UUID
    version: int
    customer_id: UUID
    store_id: UUID
    job: str
    is_revoked: bool


@dataclass(frozen=True, slots=True)
class UpdatePoints:
    """A balance of points; `version` orders the balances of a customer."""

    customer_id: UUID
    balance: int
    version: int


@dataclass(frozen=True, slots=True)
class UpdateTier:
    """A tier; `version` orders the tiers of a customer."""

    customer_id: UUID
    tier: str
    version: int


@dataclass(frozen=True, slots=True)
class CountOrder:
    """A delivered order and its total in major units."""

    customer_id: UUID
    total: Decimal
