"""Row types: what the statements return, and what they insert."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID


class CustomerRow(NamedTuple):
    """A row of `customers`: the profile and the copies of other services' data."""

    id: UUID
    version: int
    email: bytes
    phone: bytes | None
    phone_index: bytes | None
    phone_index_next: bytes | None
    first_name: str | None
    last_name: str | None
    display_name: str | None
    date_of_birth: bytes | None
    gender: str | None
    locale: str
    email_verified: bool
    phone_verified: bool
    is_active: bool
    loyalty_points: int
    loyalty_tier: str
    total_orders: int
    total_spent: Decimal
    last_login: datetime | None
    created_at: datetime
    updated_at: datetime


class AccountRow(NamedTuple):
    """A locked account."""

    id: UUID
    email_verified: bool


class CredentialsRow(NamedTuple):
    """What a login compares. Invited accounts have no password yet."""

    id: UUID
    password_hash: str | None
    is_active: bool


class OwnCredentialsRow(NamedTuple):
    """What a change of the own password compares."""

    id: UUID
    password_hash: str | None
    email: bytes


class ContactRow(NamedTuple):
    """How to reach a customer."""

    id: UUID
    email: bytes
    phone: bytes | None
    first_name: str | None
    last_name: str | None
    display_name: str | None
    locale: str


class OrderingCustomerRow(NamedTuple):
    """The contact of an order, and the address of a delivery; `place` is the request of a batched read."""

    place: int
    id: UUID
    email: bytes
    phone: bytes | None
    first_name: str | None
    last_name: str | None
    display_name: str | None
    is_active: bool
    address_id: UUID | None
    address_line1: bytes | None
    address_line2: bytes | None
    landmark: bytes | None
    city: str | None
    state: str | None
    postal_code: str | None
    country: str | None
    latitude: bytes | None
    longitude: bytes | None


class AddressRow(NamedTuple):
    """A row of `customer_addresses`."""

    id: UUID
    customer_id: UUID
    version: int
    type: str
    label: str | None
    address_line1: bytes
    address_line2: bytes | None
    landmark: bytes | None
    city: str
    state: str
    postal_code: str
    country: str | None
    latitude: bytes | None
    longitude: bytes | None
    is_default: bool
    created_at: datetime
    updated_at: datetime


class PreferencesRow(NamedTuple):
    """A row of `customer_preferences`; all columns are None when the customer has never set any."""

    customer_id: UUID
    preferred_spice_level: str | None
    dietary_restrictions: list[str] | None
    favorite_categories: list[str] | None
    preferred_payment_method: str | None
    preferred_delivery_time: str | None
    updated_at: datetime | None


class FavoriteRow(NamedTuple):
    """A row of `customer_favorites`."""

    id: UUID
    product_id: UUID
    created_at: datetime


class SessionRow(NamedTuple):
    """A session that has not ended, as its account sees it."""

    id: UUID
    device_type: str | None
    device_id: str | None
    ip_address: str | None
    user_agent: str | None
    created_at: datetime
    last_accessed_at: datetime
    expires_at: datetime


class LockedSessionRow(NamedTuple):
    """A locked session with its refresh tokens. `is_alive`: neither ended nor expired, and the account is active."""

    id: UUID
    customer_id: UUID
    refresh_token: str
    previous_refresh_token: str | None
    rotation_salt: bytes | None
    rotated_at: datetime | None
    is_alive: bool


class CodeRow(NamedTuple):
    """A code whose attempt is counted."""

    id: UUID
    customer_id: UUID
    kind: str
    store_id: UUID | None
    code_hash: bytes


class CodeDeliveryRow(NamedTuple):
    """A claimed code that the notification service has not received yet, and its recipient."""

    code_id: UUID
    code: bytes
    attempts: int
    kind: str
    customer_id: UUID
    expires_at: datetime
    email: bytes
    first_name: str | None
    last_name: str | None
    display_name: str | None
    locale: str


class RolesRow(NamedTuple):
    """The roles of an account; `stores` and `jobs` are parallel."""

    is_admin: bool
    stores: list[UUID]
    jobs: list[str]


class GrantRow(NamedTuple):
    """A locked grant. `is_active`: neither revoked nor waiting for the invitation to be accepted."""

    customer_id: UUID
    store_id: UUID
    job: str
    is_active: bool


class SigningKeyRow(NamedTuple):
    """A published key."""

    kid: str
    private_key: bytes
    public_key: bytes
    signs_from: datetime


@dataclass(frozen=True, slots=True)
class PhoneColumns:
    """An encrypted phone number and its blind indexes."""

    phone: bytes | None
    phone_index: bytes | None
    phone_index_next: bytes | None


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """A new account."""

    email: bytes
    email_index: bytes
    email_index_next: bytes
    password_hash: str | None
    phone: bytes | None
    phone_index: bytes | None
    phone_index_next: bytes | None
    first_name: str | None
    last_name: str | None
    display_name: str | None
    locale: str


@dataclass(frozen=True, slots=True)
class ProfileColumns:
    """The columns that a customer may change."""

    first_name: str | None
    last_name: str | None
    display_name: str | None
    phone: bytes | None
    phone_index: bytes | None
    phone_index_next: bytes | None
    phone_verified: bool
    date_of_birth: bytes | None
    gender: str | None
    locale: str


@dataclass(frozen=True, slots=True)
class EncryptedPlace:
    """The columns of a postal address; lines and position are encrypted."""

    address_line1: bytes
    address_line2: bytes | None
    landmark: bytes | None
    city: str
    state: str
    postal_code: str
    country: str | None
    latitude: bytes | None
    longitude: bytes | None


@dataclass(frozen=True, slots=True)
class NewAddress:
    """The columns of an address that a customer sets."""

    customer_id: UUID
    type: str
    label: str | None
    address_line1: bytes
    address_line2: bytes | None
    landmark: bytes | None
    city: str
    state: str
    postal_code: str
    country: str | None
    latitude: bytes | None
    longitude: bytes | None
    is_default: bool


@dataclass(frozen=True, slots=True)
class NewPreferences:
    """All preferences of a customer."""

    customer_id: UUID
    preferred_spice_level: str
    dietary_restrictions: list[str] | None
    favorite_categories: list[str] | None
    preferred_payment_method: str | None
    preferred_delivery_time: str | None


@dataclass(frozen=True, slots=True)
class NewSession:
    """A new session; tokens are hashes."""

    id: UUID
    customer_id: UUID
    refresh_token: str
    access_token_hash: str
    device_type: str | None
    device_id: str | None
    ip_address: str | None
    user_agent: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewCode:
    """A new code; `store_id` is set for an invitation."""

    customer_id: UUID
    kind: str
    store_id: UUID | None
    code_hash: bytes
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewSigningKey:
    """A new key with its encrypted private half."""

    kid: str
    private_key: bytes
    public_key: bytes
    signs_from: datetime
