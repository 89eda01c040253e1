"""Request and response bodies, as in the platform."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel


class Payload(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Money(Payload):
    currency_code: str = "INR"
    minor_units: str

    @classmethod
    def of(cls, amount: Decimal | int) -> Money:
        """From rupees (Decimal) or paise (int)."""
        return cls(minor_units=str(amount if isinstance(amount, int) else int(amount * 100)))


# --- Requests ---------------------------------------------------------------------------------------------------------


class CartLine(Payload):
    product_id: UUID
    quantity: Annotated[int, Field(ge=1, le=1000)]
    option_ids: Annotated[list[UUID], Field(max_length=20)] = []
    special_instructions: Annotated[str, Field(max_length=200)] = ""


class NewOrder(Payload):
    """Cash on delivery or at the counter, without coupon or points."""

    store_id: UUID
    fulfilment_type: Literal["DELIVERY", "PICKUP", "DINE_IN"]
    lines: Annotated[list[CartLine], Field(min_length=1, max_length=50)]
    address_id: UUID | None = None
    payment_method: Literal["COD"]
    delivery_instructions: Annotated[str, Field(max_length=500)] = ""
    special_instructions: Annotated[str, Field(max_length=500)] = ""

    @model_validator(mode="after")
    def _address_for_delivery_only(self) -> Self:
        if (self.fulfilment_type == "DELIVERY") != (self.address_id is not None):
            raise ValueError("addressId is required for DELIVERY and only for DELIVERY")
        return self


# --- Responses --------------------------------------------------------------------------------------------------------


class OptionOut(Payload):
    id: UUID
    name: str
    price_modifier: Money
    is_default: bool
    display_order: int


class CustomizationOut(Payload):
    id: UUID
    name: str
    type: str
    is_required: bool
    display_order: int
    options: list[OptionOut]


class NutritionOut(Payload):
    calories: int | None = None
    protein_mg: int | None = None
    carbs_mg: int | None = None
    fat_mg: int | None = None
    fiber_mg: int | None = None
    sodium_mg: int | None = None


class ProductOut(Payload):
    id: UUID
    name: str
    slug: str
    description: str
    short_description: str
    sku: str
    price: Money
    original_price: Money | None = None
    category: str
    subcategory: str
    tags: list[str]
    ingredients: list[str]
    is_veg: bool
    is_vegan: bool
    is_jain: bool
    is_gluten_free: bool
    is_nut_free: bool
    spice_level: str
    prep_time_minutes: int
    servings: int
    weight: str
    unit: str
    shelf_life_days: int
    storage_instructions: str
    nutrition: NutritionOut | None = None
    images: list[str]
    video_url: str
    is_available: bool
    is_featured: bool
    rating_hundredths: int
    review_count: int
    meta_title: str
    meta_description: str
    tax_rate_basis_points: int
    etag: str
    created_at: datetime
    updated_at: datetime
    customizations: list[CustomizationOut]


class LineTax(Payload):
    rate_basis_points: int
    taxable: Money
    cgst: Money
    sgst: Money
    igst: Money


class ChosenOption(Payload):
    customization: str
    option_id: UUID
    name: str
    price_modifier: Money


class OrderItemOut(Payload):
    id: UUID
    product_id: UUID
    product_name: str
    product_sku: str
    category: str
    unit_price: Money
    quantity: int
    subtotal: Money
    discount: Money
    tax: LineTax
    chosen_options: list[ChosenOption]
    special_instructions: str


class Amounts(Payload):
    subtotal: Money
    discount: Money
    loyalty_discount: Money
    delivery_fee: Money
    delivery_tax: LineTax
    cgst: Money
    sgst: Money
    igst: Money
    tax: Money
    total: Money


class Location(Payload):
    latitude: float
    longitude: float


class AddressOut(Payload):
    address_line1: str = Field(alias="addressLine1")
    address_line2: str = Field(alias="addressLine2")
    landmark: str
    city: str
    state: str
    postal_code: str
    country: str
    location: Location | None = None


class OrderOut(Payload):
    id: UUID
    version: int
    order_number: str
    customer_id: UUID
    customer_name: str
    customer_email: str
    customer_phone: str
    store_id: UUID
    store_name: str
    status: str
    payment_status: str
    payment_method: str
    fulfilment_type: str
    items: list[OrderItemOut]
    amounts: Amounts
    delivery_address: AddressOut | None = None
    delivery_instructions: str
    special_instructions: str
    estimated_delivery_at: datetime | None = None
    accepted_at: datetime | None = None
    preparing_at: datetime | None = None
    ready_at: datetime | None = None
    dispatched_at: datetime | None = None
    delivered_at: datetime | None = None
    cancelled_at: datetime | None = None
    assigned_staff_id: str = ""
    delivery_person_id: str = ""
    cancellation_reason: str = "UNSPECIFIED"
    cancellation_note: str = ""
    loyalty_points_earned: int = 0
    loyalty_points_redeemed: int = 0
    coupon_code: str = ""
    created_at: datetime
    updated_at: datetime
