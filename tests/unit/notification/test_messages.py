"""The table of messages: every event becomes facts that its texts can use, none of them personal."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from jainshikanji.order.v1.events_pb2 import OrderCreated, OrderReady
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from jainshikanji.type.v1.fulfilment_type_pb2 import FulfilmentType

from services.notification.events import HANDLERS
from services.notification.messages import TOLD, Told, of_created_order
from services.notification.model import Channel, merge_order
from services.notification.rendering import Texts

TEXTS = Texts()


def filled(message: type[Message]) -> Message:
    """An event with something in every field that is not a message of its own."""
    event = message()
    for field in event.DESCRIPTOR.fields:
        if field.is_repeated:
            continue
        if field.type == FieldDescriptor.TYPE_STRING:
            setattr(event, field.name, field.name)
        elif field.type == FieldDescriptor.TYPE_ENUM:
            setattr(event, field.name, 1)
        elif field.type in (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64):
            setattr(event, field.name, 7)
        elif field.message_type is not None and field.message_type.name == "Timestamp":
            getattr(event, field.name).CopyFrom(Timestamp(seconds=1_768_400_000))
        elif field.message_type is not None and field.message_type.name == "Money":
            getattr(event, field.name).minor_units = 12345
    return event


@pytest.mark.parametrize("told", TOLD, ids=lambda told: told.event.DESCRIPTOR.name)
def test_every_event_gives_its_texts_what_they_name(told: Told) -> None:
    event = filled(told.event)
    facts = told.facts(event)
    context = {
        **facts,
        "order": merge_order(facts, None),
        "store": {"name": "Andheri"},
        "zone": "Asia/Kolkata",
        "occurred_at": "2026-01-14T14:15:00+00:00",
    }
    for channel in told.kind.channels:
        assert TEXTS.render(told.kind.name, channel, "en", context).text


def test_every_told_event_is_heard() -> None:
    assert all(told.event in HANDLERS for told in TOLD)


def test_an_event_type_tells_one_thing() -> None:
    assert len({told.event for told in TOLD}) == len(TOLD)


def test_food_that_a_courier_fetches_is_not_worth_a_mail() -> None:
    [ready] = [told for told in TOLD if told.event is OrderReady]
    assert ready.channels_for(OrderReady(fulfilment_type=FulfilmentType.DELIVERY)) == (Channel.PUSH,)
    assert Channel.EMAIL in ready.channels_for(OrderReady(fulfilment_type=FulfilmentType.PICKUP))


def test_an_order_is_remembered_in_paise_and_words() -> None:
    event = OrderCreated(order_number="ORD-1", payment_method=PaymentMethod.COD, fulfilment_type=FulfilmentType.DINE_IN)
    event.items.add(name="Dosa", quantity=2).subtotal.minor_units = 24000
    event.total.minor_units = 25200
    facts = of_created_order(event)
    assert facts["lines"] == [{"name": "Dosa", "quantity": 2, "subtotal": 24000}]
    assert (facts["total"], facts["payment_method"], facts["fulfilment"]) == (25200, "cod", "dine_in")
