"""The local gateway: it authenticates callers, stores its state, and repeats webhooks until they are accepted."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from jainshikanji.payment.v1.payment_pb2 import PaymentStatus

from tests.integration.payment.world import World


async def test_a_caller_with_wrong_keys_is_rejected(world: World) -> None:
    async with httpx.AsyncClient(base_url=world.gateway.url, trust_env=False) as client:
        for auth in (None, ("rzp_test_integration", "wrong"), ("", "")):
            response = await client.post("/v1/orders", json={"amount": 100, "currency": "INR"}, auth=auth)
            assert response.status_code == 401
            assert response.json()["error"]["code"] == "BAD_REQUEST_ERROR"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"amount": "x"}', b'{"amount": 1.5}', b'{"amount": true}'])
async def test_a_malformed_body_is_rejected_in_razorpays_format(world: World, body: bytes) -> None:
    auth = (world.gateway.key_id, world.gateway.key_secret)
    async with httpx.AsyncClient(base_url=world.gateway.url, trust_env=False) as client:
        response = await client.post("/v1/orders", content=body, auth=auth)
    assert response.status_code == 400
    assert response.json()["error"]["description"]


async def test_a_person_pays_or_declines_on_the_checkout_page(world: World) -> None:
    sale = world.sale()
    order_id = (await sale.start()).provider_order_id
    async with httpx.AsyncClient(base_url=world.gateway.url, trust_env=False, follow_redirects=True) as client:
        page = await client.get(f"/checkout/{order_id}")
        assert "249.00 INR" in page.text
        await client.post(f"/checkout/{order_id}", data={"outcome": "failed"})
        await sale.reaches(PaymentStatus.FAILED)
        paid = await client.post(f"/checkout/{order_id}", data={"outcome": "captured"})
        assert "Paid." in paid.text
        await sale.reaches(PaymentStatus.COMPLETED)
        assert (await client.post(f"/checkout/{order_id}", data={"outcome": "captured"})).status_code == 400
        unknown = await client.get("/checkout/<script>")
        assert unknown.status_code == 404
        assert "<script>" not in unknown.text


async def test_orders_and_webhooks_survive_a_restart(world: World) -> None:
    """The gateway stops right after the payment, before its webhook is accepted."""
    sale = world.sale()
    order_id = (await sale.start()).provider_order_id
    await world.gateway.pay(order_id)
    await asyncio.to_thread(world.gateway.stop)
    await asyncio.to_thread(world.gateway.start)
    await sale.reaches(PaymentStatus.COMPLETED)
    assert [order["status"] for order in await world.gateway.orders(receipt=sale.payment_id)] == ["paid"]


async def test_a_paid_order_accepts_no_second_payment(world: World) -> None:
    sale = world.sale()
    order_id = (await sale.start()).provider_order_id
    await world.gateway.pay(order_id)
    with pytest.raises(httpx.HTTPStatusError):
        await world.gateway.pay(order_id)


async def test_an_unknown_fault_is_rejected(world: World) -> None:
    for switches in ({"no_such": True}, {"silent": 1}, {"delay_ms": "1"}):
        with pytest.raises(httpx.HTTPStatusError):
            await world.gateway.faults(**switches)
