"""The rules of events: every event has the facts that its templates use."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from jainshikanji.order.v1.events_pb2 import OrderCreated, OrderReady
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from jainshikanji.type.v1.fulfilment_type_pb2 import FulfilmentType

from services.notification.events import HANDLERS
from services.notification.model.notification_types import Channel
from services.notification.model.templates import merge_order_facts
from services.notification.rendering import Renderer
from services.notification.wire.consumed_events import EVENT_RULES, EventRule, created_order_facts_from_event

RENDERER = Renderer()


def fill(message: type[Message]) -> Message:
    """An event with a value in every scalar, Timestamp and Money field."""
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


@pytest.mark.parametrize("rule", EVENT_RULES, ids=lambda rule: rule.event.DESCRIPTOR.name)
def test_every_event_has_the_facts_that_its_templates_use(rule: EventRule) -> None:
    event = fill(rule.event)
    facts = rule.facts(event)
    context = {
        **facts,
        "order": merge_order_facts(facts, None),
        "store": {"name": "Andheri"},
        "zone": "Asia/Kolkata",
        "occurred_at": "2026-01-14T14:15:00+00:00",
    }
    for channel in rule.type.channels:
        assert RENDERER.render(rule.type.name, channel, "en", context).text


def test_every_event_with_a_rule_has_a_handler() -> None:
    assert all(rule.event in HANDLERS for rule in EVENT_RULES)


def test_an_event_type_has_one_rule() -> None:
    assert len({rule.event for rule in EVENT_RULES}) == len(EVENT_RULES)


def test_an_order_ready_for_a_courier_causes_only_a_push_message() -> None:
    (ready,) = [rule for rule in EVENT_RULES if rule.event is OrderReady]
    assert ready.get_channels(OrderReady(fulfilment_type=FulfilmentType.DELIVERY)) == (Channel.PUSH,)
    assert Channel.EMAIL in ready.get_channels(OrderReady(fulfilment_type=FulfilmentType.PICKUP))


def test_facts_of_an_order_have_amounts_in_paise_and_names_of_enums() -> None:
    event = OrderCreated(order_number="ORD-1", payment_method=PaymentMethod.COD, fulfilment_type=FulfilmentType.DINE_IN)
    event.items.add(name="Dosa", quantity=2).subtotal.minor_units = 24000
    event.total.minor_units = 25200
    facts = created_order_facts_from_event(event)
    assert facts["lines"] == [{"name": "Dosa", "quantity": 2, "subtotal": 24000}]
    assert (facts["total"], facts["payment_method"], facts["fulfilment"]) == (25200, "cod", "dine_in")
