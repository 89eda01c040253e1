"""Conversion between messages of the contracts and rows, commands and values of the service."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from jainshikanji.customer.v1 import auth_service_pb2 as auth
from jainshikanji.customer.v1 import customer_service_pb2 as pb
from jainshikanji.customer.v1.address_pb2 import Address, AddressType
from jainshikanji.customer.v1.customer_pb2 import Customer, Gender
from jainshikanji.customer.v1.events_pb2 import CustomerErased, CustomerRegistered, CustomerVerified, SessionRevoked
from jainshikanji.customer.v1.favorite_pb2 import Favorite
from jainshikanji.customer.v1.preferences_pb2 import DietaryRestriction, PreferredDeliveryTime
from jainshikanji.customer.v1.preferences_pb2 import Preferences as PreferencesMessage
from jainshikanji.customer.v1.session_pb2 import Device as DeviceMessage
from jainshikanji.customer.v1.session_pb2 import DeviceType, Session
from jainshikanji.inventory.v1.product_pb2 import SpiceLevel
from jainshikanji.loyalty.v1 import events_pb2 as loyalty
from jainshikanji.loyalty.v1.tier_pb2 import LoyaltyTier
from jainshikanji.order.v1.events_pb2 import OrderDelivered
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from jainshikanji.store.v1.events_pb2 import StaffGranted, StaffRevoked
from jainshikanji.store.v1.staff_pb2 import StaffJob
from jainshikanji.type.v1.geo_point_pb2 import GeoPoint
from jainshikanji.type.v1.postal_address_pb2 import PostalAddress

from chassis.enums import EnumMapping
from chassis.errors import InvalidArgument
from chassis.money import money_from_proto, money_to_proto
from chassis.pii import normalise_email, normalise_phone
from chassis.rpc.client_address import find_client_address
from chassis.rpc.etags import version_from_etag, version_to_etag
from chassis.security.encryption import FieldCipher
from chassis.timestamps import timestamp_to_proto
from services.customer.commands import (
    AcceptInvitation,
    ApplyEmployment,
    ChangePassword,
    ClientInfo,
    CountOrder,
    CreateAddress,
    Device,
    InviteStaff,
    LogIn,
    NewAccount,
    PreferenceColumn,
    RegisterAccount,
    RequestPasswordReset,
    ResetPassword,
    UpdateAddress,
    UpdatePoints,
    UpdatePreferences,
    UpdateProfile,
    UpdateTier,
    VerifyEmail,
)
from services.customer.model import personal_data
from services.customer.model.personal_data import Place, decrypt_optional, format_name
from services.customer.model.tables import DEFAULT_COUNTRY, DEFAULT_SPICE_LEVEL
from services.customer.rows import (
    AddressRow,
    ContactRow,
    CustomerRow,
    FavoriteRow,
    OrderingCustomerRow,
    PreferencesRow,
    SessionRow,
)

GENDERS = EnumMapping(Gender)
TIERS = EnumMapping(LoyaltyTier, style=str.capitalize)
ADDRESS_TYPES = EnumMapping(AddressType)
SPICE_LEVELS = EnumMapping(SpiceLevel, style=str.capitalize)
DIETS = EnumMapping(DietaryRestriction, {"GLUTEN_FREE": "gluten-free", "NUT_FREE": "nut-free"})
PAYMENT_METHODS = EnumMapping(PaymentMethod)
DELIVERY_TIMES = EnumMapping(PreferredDeliveryTime)
DEVICE_TYPES = EnumMapping(DeviceType)
JOBS = EnumMapping(StaffJob)

EARLIEST_BIRTH_DATE = date(1900, 1, 1)
_MAX_EMAIL_LENGTH = 254
_MAX_USER_AGENT_LENGTH = 500

# --- values ---


def parse_email(text: str) -> str:
    """The normalised email address. Raises InvalidArgument when it is too long."""
    email = normalise_email(text)
    if len(email) > _MAX_EMAIL_LENGTH:
        raise InvalidArgument("email", f"must have at most {_MAX_EMAIL_LENGTH} characters")
    return email


def parse_text(value: str, field: str) -> str:
    """The text, which may be empty. Raises InvalidArgument when it is blank."""
    if value and not value.strip():
        raise InvalidArgument(field, "must not be blank")
    return value


def parse_phone(value: str, field: str = "phone") -> str:
    """The phone number in E.164, or empty. Raises InvalidArgument."""
    if not value:
        return ""
    try:
        return normalise_phone(value)
    except ValueError:
        raise InvalidArgument(field, "is not a valid phone number") from None


def parse_birth_date(value: str, field: str = "dateOfBirth") -> str:
    """A past date as YYYY-MM-DD, or empty. Raises InvalidArgument."""
    if not value:
        return ""
    try:
        parsed = date.fromisoformat(value)
    except ValueError:
        raise InvalidArgument(field, "is not a valid date") from None
    if not EARLIEST_BIRTH_DATE <= parsed <= datetime.now(UTC).date():
        raise InvalidArgument(field, f"must be between {EARLIEST_BIRTH_DATE} and today")
    return value


def client_from_metadata(metadata: Mapping[str, str]) -> ClientInfo:
    """The client behind the edge; the user agent is cut to 500 characters."""
    user_agent = metadata.get("user-agent", "")[:_MAX_USER_AGENT_LENGTH]
    return ClientInfo(find_client_address(metadata), user_agent or None)


def _optional(request: Any, field: str) -> Any:
    """The value of an optional field, or None."""
    return getattr(request, field) if request.HasField(field) else None


def _optional_text(request: Any, field: str, name: str) -> str | None:
    value = _optional(request, field)
    return None if value is None else parse_text(value, name)


# --- accounts and sessions ---


def register_account_from_proto(request: auth.RegisterRequest, client: ClientInfo) -> RegisterAccount:
    account = NewAccount(
        email=parse_email(request.email),
        phone=parse_phone(request.phone),
        first_name=parse_text(request.first_name, "firstName"),
        last_name=parse_text(request.last_name, "lastName"),
        display_name=parse_text(request.display_name, "displayName"),
        locale=request.locale,
    )
    return RegisterAccount(account, request.password, client)


def log_in_from_proto(request: auth.LoginRequest, client: ClientInfo) -> LogIn:
    return LogIn(
        email=normalise_email(request.email),
        password=request.password,
        device=_device_from_proto(request.device, use_cookies=request.use_cookies),
        client=client,
    )


def _device_from_proto(device: DeviceMessage, *, use_cookies: bool) -> Device:
    kind = device.type or (DeviceType.BROWSER if use_cookies else DeviceType.OTHER)
    return Device(DEVICE_TYPES.from_proto(kind), parse_text(device.id, "device.id") or None)


def verify_email_from_proto(request: auth.VerifyEmailRequest, client: ClientInfo) -> VerifyEmail:
    return VerifyEmail(normalise_email(request.email), request.code, client)


def request_password_reset_from_proto(request: auth.ForgotPasswordRequest, client: ClientInfo) -> RequestPasswordReset:
    return RequestPasswordReset(normalise_email(request.email), client)


def reset_password_from_proto(request: auth.ResetPasswordRequest, client: ClientInfo) -> ResetPassword:
    return ResetPassword(normalise_email(request.email), request.code, request.new_password, client)


def change_password_from_proto(request: auth.ChangePasswordRequest, client: ClientInfo) -> ChangePassword:
    return ChangePassword(
        current_password=request.current_password,
        new_password=request.new_password,
        device=_device_from_proto(request.device, use_cookies=request.use_cookies),
        client=client,
    )


def accept_invitation_from_proto(request: auth.AcceptInvitationRequest, client: ClientInfo) -> AcceptInvitation:
    return AcceptInvitation(request.code, client)


def invite_staff_from_proto(request: auth.InviteStaffRequest) -> InviteStaff:
    return InviteStaff(
        phone=parse_phone(request.phone),
        name=parse_text(request.name, "name"),
        store_id=UUID(request.store_id),
        job=JOBS.from_proto(request.job),
        email=parse_email(request.email),
    )


def session_to_proto(row: SessionRow, current: UUID | None) -> Session:
    """The session; `current` is the id of the caller's session."""
    return Session(
        id=str(row.id),
        device_type=DEVICE_TYPES.to_proto(row.device_type) if row.device_type else DeviceType.UNSPECIFIED,
        device_id=row.device_id or "",
        ip_address=row.ip_address or "",
        user_agent=row.user_agent or "",
        is_current=row.id == current,
        created_at=timestamp_to_proto(row.created_at),
        last_accessed_at=timestamp_to_proto(row.last_accessed_at),
        expires_at=timestamp_to_proto(row.expires_at),
    )


# --- profiles and contacts ---


def update_profile_from_proto(request: pb.UpdateCustomerRequest) -> UpdateProfile:
    phone, birth_date, gender = (_optional(request, name) for name in ("phone", "date_of_birth", "gender"))
    return UpdateProfile(
        customer_id=UUID(request.id),
        known_version=version_from_etag(request.etag),
        first_name=_optional_text(request, "first_name", "firstName"),
        last_name=_optional_text(request, "last_name", "lastName"),
        display_name=_optional_text(request, "display_name", "displayName"),
        phone=None if phone is None else parse_phone(phone),
        date_of_birth=None if birth_date is None else parse_birth_date(birth_date),
        gender=None if gender is None else GENDERS.from_proto(gender) if gender else "",
        locale=_optional(request, "locale"),
    )


def customer_to_proto(row: CustomerRow, cipher: FieldCipher) -> Customer:
    return Customer(
        id=str(row.id),
        etag=version_to_etag(row.version),
        email=cipher.decrypt(row.email, personal_data.EMAIL),
        phone=decrypt_optional(cipher, row.phone, personal_data.PHONE),
        first_name=row.first_name or "",
        last_name=row.last_name or "",
        display_name=format_name(row),
        date_of_birth=decrypt_optional(cipher, row.date_of_birth, personal_data.BIRTH_DATE),
        gender=GENDERS.to_proto(row.gender) if row.gender else Gender.UNSPECIFIED,
        locale=row.locale,
        email_verified=row.email_verified,
        phone_verified=row.phone_verified,
        is_active=row.is_active,
        loyalty_points=row.loyalty_points,
        loyalty_tier=TIERS.to_proto(row.loyalty_tier),
        total_orders=row.total_orders,
        total_spent=money_to_proto(row.total_spent),
        last_login_at=timestamp_to_proto(row.last_login),
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
    )


def contact_to_proto(row: ContactRow, cipher: FieldCipher) -> pb.Contact:
    return pb.Contact(
        customer_id=str(row.id),
        name=format_name(row),
        email=cipher.decrypt(row.email, personal_data.EMAIL),
        phone=decrypt_optional(cipher, row.phone, personal_data.PHONE),
        locale=row.locale,
    )


def ordering_customer_to_proto(row: OrderingCustomerRow, cipher: FieldCipher) -> pb.OrderingCustomer:
    """The contact of an order; with the address of a delivery, when the row has one."""
    return pb.OrderingCustomer(
        customer_id=str(row.id),
        name=format_name(row),
        email=cipher.decrypt(row.email, personal_data.EMAIL),
        phone=decrypt_optional(cipher, row.phone, personal_data.PHONE),
        address=place_to_proto(row, cipher) if row.address_id is not None else None,
    )


# --- addresses ---


def create_address_from_proto(request: pb.CreateAddressRequest) -> CreateAddress:
    return CreateAddress(
        customer_id=UUID(request.id),
        type=ADDRESS_TYPES.from_proto(request.type or AddressType.HOME),
        label=parse_text(request.label, "label"),
        place=place_from_proto(request.address),
        is_default=request.is_default,
    )


def update_address_from_proto(request: pb.UpdateAddressRequest) -> UpdateAddress:
    return UpdateAddress(
        customer_id=UUID(request.id),
        address_id=UUID(request.address_id),
        known_version=version_from_etag(request.etag),
        type=ADDRESS_TYPES.from_proto(request.type) if request.HasField("type") else None,
        label=_optional_text(request, "label", "label"),
        place=place_from_proto(request.address) if request.HasField("address") else None,
        is_default=_optional(request, "is_default"),
    )


def place_from_proto(address: PostalAddress) -> Place:
    return Place(
        address_line1=parse_text(address.address_line1, "address.addressLine1"),
        address_line2=parse_text(address.address_line2, "address.addressLine2"),
        landmark=parse_text(address.landmark, "address.landmark"),
        city=parse_text(address.city, "address.city"),
        state=parse_text(address.state, "address.state"),
        postal_code=address.postal_code,
        country=parse_text(address.country, "address.country") or DEFAULT_COUNTRY,
        position=(address.location.latitude, address.location.longitude) if address.HasField("location") else None,
    )


def place_to_proto(row: AddressRow | OrderingCustomerRow, cipher: FieldCipher) -> PostalAddress:
    address = PostalAddress(
        address_line1=decrypt_optional(cipher, row.address_line1, personal_data.ADDRESS_LINE1),
        address_line2=decrypt_optional(cipher, row.address_line2, personal_data.ADDRESS_LINE2),
        landmark=decrypt_optional(cipher, row.landmark, personal_data.LANDMARK),
        city=row.city or "",
        state=row.state or "",
        postal_code=row.postal_code or "",
        country=row.country or DEFAULT_COUNTRY,
    )
    if row.latitude is not None and row.longitude is not None:
        latitude = cipher.decrypt(row.latitude, personal_data.LATITUDE)
        longitude = cipher.decrypt(row.longitude, personal_data.LONGITUDE)
        address.location.CopyFrom(GeoPoint(latitude=float(latitude), longitude=float(longitude)))
    return address


def address_to_proto(row: AddressRow, cipher: FieldCipher) -> Address:
    return Address(
        id=str(row.id),
        etag=version_to_etag(row.version),
        customer_id=str(row.customer_id),
        type=ADDRESS_TYPES.to_proto(row.type),
        label=row.label or "",
        address=place_to_proto(row, cipher),
        is_default=row.is_default,
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
    )


# --- preferences and favorites ---


def update_preferences_from_proto(request: pb.UpdatePreferencesRequest) -> UpdatePreferences:
    changes: dict[PreferenceColumn, object] = {}
    if request.HasField("preferred_spice_level"):
        changes["preferred_spice_level"] = SPICE_LEVELS.from_proto(request.preferred_spice_level)
    if request.HasField("dietary_restrictions"):
        changes["dietary_restrictions"] = [DIETS.from_proto(diet) for diet in request.dietary_restrictions.values]
    if request.HasField("favorite_categories"):
        names = [parse_text(name, "favoriteCategories.values") for name in request.favorite_categories.values]
        if len(set(names)) < len(names):
            raise InvalidArgument("favoriteCategories.values", "must be different")
        changes["favorite_categories"] = names
    if request.HasField("preferred_payment_method"):
        method = request.preferred_payment_method
        changes["preferred_payment_method"] = PAYMENT_METHODS.from_proto(method) if method else None
    if request.HasField("preferred_delivery_time"):
        time = request.preferred_delivery_time
        changes["preferred_delivery_time"] = DELIVERY_TIMES.from_proto(time) if time else None
    return UpdatePreferences(UUID(request.id), changes)


def preferences_to_proto(row: PreferencesRow) -> PreferencesMessage:
    """The preferences; defaults when the customer has never set any."""
    return PreferencesMessage(
        customer_id=str(row.customer_id),
        preferred_spice_level=SPICE_LEVELS.to_proto(row.preferred_spice_level or DEFAULT_SPICE_LEVEL),
        dietary_restrictions=[DIETS.to_proto(diet) for diet in row.dietary_restrictions or ()],
        favorite_categories=row.favorite_categories or (),
        preferred_payment_method=PAYMENT_METHODS.to_proto(row.preferred_payment_method)
        if row.preferred_payment_method
        else PaymentMethod.UNSPECIFIED,
        preferred_delivery_time=DELIVERY_TIMES.to_proto(row.preferred_delivery_time)
        if row.preferred_delivery_time
        else PreferredDeliveryTime.UNSPECIFIED,
        updated_at=timestamp_to_proto(row.updated_at),
    )


def favorite_to_proto(row: FavoriteRow) -> Favorite:
    return Favorite(product_id=str(row.product_id), created_at=timestamp_to_proto(row.created_at))


# --- events ---


def employment_from_event(event: StaffGranted | StaffRevoked, *, is_revoked: bool) -> ApplyEmployment:
    return ApplyEmployment(
        staff_id=UUID(event.staff_id),
        version=event.version,
        customer_id=UUID(event.account_id),
        store_id=UUID(event.store_id),
        job=JOBS.from_proto(event.job),
        is_revoked=is_revoked,
    )


def update_points_from_event(
    event: loyalty.PointsEarned
    | loyalty.PointsRedeemed
    | loyalty.PointsReversed
    | loyalty.PointsReturned
    | loyalty.PointsExpired,
) -> UpdatePoints:
    return UpdatePoints(UUID(event.customer_id), event.balance, event.version)


def update_tier_from_event(event: loyalty.TierChanged) -> UpdateTier:
    return UpdateTier(UUID(event.customer_id), TIERS.from_proto(event.tier), event.version)


def count_order_from_event(event: OrderDelivered) -> CountOrder:
    return CountOrder(UUID(event.customer_id), money_from_proto(event.total))


def customer_registered_to_proto(customer_id: UUID, at: datetime, *, invited: bool) -> CustomerRegistered:
    return CustomerRegistered(customer_id=str(customer_id), occurred_at=timestamp_to_proto(at), invited=invited)


def customer_verified_to_proto(customer_id: UUID, at: datetime) -> CustomerVerified:
    return CustomerVerified(customer_id=str(customer_id), occurred_at=timestamp_to_proto(at))


def customer_erased_to_proto(customer_id: UUID, at: datetime) -> CustomerErased:
    return CustomerErased(customer_id=str(customer_id), occurred_at=timestamp_to_proto(at))


def session_revoked_to_proto(session_id: UUID, expires_at: datetime) -> SessionRevoked:
    """The ended session; `expires_at` is when its last access token expires."""
    return SessionRevoked(session_id=str(session_id), expires_at=timestamp_to_proto(expires_at))
