"""The rpcs: lists, read marks, preferences, announcements, templates, codes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import grpc
import pytest
from jainshikanji.customer.v1.events_pb2 import CustomerErased
from jainshikanji.loyalty.v1.events_pb2 import PointsEarned
from jainshikanji.notification.v1 import notification_service_pb2 as pb
from jainshikanji.notification.v1.notification_pb2 import Category, Channel, DispatchState

from chassis import clock
from chassis.database import sql
from chassis.ids import new_id
from tests.harness import admin, anonymous, customer, rpc_error, service
from tests.integration.notification.conftest import World, until

MARKETING, ACCOUNT = Category.MARKETING, Category.ACCOUNT


class SenderRow(NamedTuple):
    sent_because: str | None
    sent_by: UUID | None


GET_SENDER = sql("SELECT sent_because, sent_by FROM notifications WHERE id = %(id)s", row=SenderRow)
GET_DEFERRED_UNTIL = sql(
    "SELECT due_at FROM dispatches JOIN notifications ON id = notification_id WHERE user_id = %(user_id)s "
    "AND template = 'points_earned' AND channel = 'email' AND state = 'pending' AND claim IS NULL "
    "AND due_at > now() + interval '30 minutes'",
    value=datetime,
)
COUNT_ROWS_OF_USER = sql(
    "SELECT (SELECT count(*) FROM notifications WHERE user_id = %(user_id)s) "
    "+ (SELECT count(*) FROM preferences WHERE user_id = %(user_id)s)",
    value=int,
)


def announcement(user_id: object, **more: object) -> pb.SendNotificationRequest:
    fields = {"title": "A new dish", "body": "Come & <taste> it.", "reason": "launch of the new dish"}
    return pb.SendNotificationRequest(**{"user_id": str(user_id), "category": ACCOUNT, **fields, **more})  # type: ignore[arg-type]


async def test_an_announcement_is_emailed_to_one_account_and_stores_its_reason(world: World) -> None:
    account, administrator = await world.register(), admin()
    notification = await world.stub(administrator).SendNotification(announcement(account.id))
    assert (notification.title, notification.body) == ("A new dish", "Come & <taste> it.")
    assert notification.template == "announcement"
    email = await world.mailbox.wait_for_email(account.email, "A new dish")
    assert "Come & <taste> it." in email["text"]
    assert "Come &amp; &lt;taste&gt; it." in email["html"]
    sender = await world.app.db.one(GET_SENDER, id=notification.id)
    assert sender is not None
    assert sender.sent_because == "launch of the new dish"
    assert sender.sent_by is not None


async def test_an_idempotency_key_creates_one_announcement(world: World) -> None:
    account = await world.register()
    administrator = admin().sending(idempotency_key="once-please")
    first = await world.stub(administrator).SendNotification(announcement(account.id))
    again = await world.stub(administrator).SendNotification(announcement(account.id))
    assert first.id == again.id


async def test_only_administrators_send_announcements_and_only_to_existing_accounts(world: World) -> None:
    account = await world.register()
    for caller, code in (
        (customer(account.id), grpc.StatusCode.PERMISSION_DENIED),
        (anonymous(), grpc.StatusCode.UNAUTHENTICATED),
        (service("order"), grpc.StatusCode.PERMISSION_DENIED),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await world.stub(caller).SendNotification(announcement(account.id))
        assert error.value.code() == code
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await world.stub(admin()).SendNotification(announcement(new_id()))
    assert missing.value.code() == grpc.StatusCode.NOT_FOUND


async def test_marketing_is_sent_only_with_consent(world: World) -> None:
    account = await world.register()
    await world.stub(admin()).SendNotification(announcement(account.id, category=MARKETING))
    notification = await world.wait_for_notification(account, "announcement")
    assert [(item.state, item.reason) for item in notification.dispatches] == [(DispatchState.SKIPPED, "MARKETING_OFF")]
    own = world.stub(customer(account.id))
    await own.UpdatePreferences(pb.UpdatePreferencesRequest(user_id=str(account.id), marketing=True))
    await world.stub(admin()).SendNotification(announcement(account.id, category=MARKETING, title="Half price"))
    await world.mailbox.wait_for_email(account.email, "Half price")


async def test_preferences_have_defaults_and_are_updated_separately(world: World) -> None:
    account = await world.register()
    own = world.stub(customer(account.id))
    read = pb.GetPreferencesRequest(user_id=str(account.id))
    before = await own.GetPreferences(read)
    assert (before.email, before.sms, before.push, before.marketing) == (True, True, True, False)
    change = pb.UpdatePreferencesRequest(user_id=str(account.id), sms=False)
    change.quiet_hours.start, change.quiet_hours.end = "22:00", "07:30"
    await own.UpdatePreferences(change)
    after = await own.UpdatePreferences(pb.UpdatePreferencesRequest(user_id=str(account.id), language="hi"))
    assert (after.email, after.sms, after.push, after.marketing) == (True, False, True, False)
    assert (after.quiet_hours.start, after.quiet_hours.end, after.quiet_hours.time_zone) == (
        "22:00",
        "07:30",
        "Asia/Kolkata",
    )
    assert await own.GetPreferences(read) == after
    cleared = await own.UpdatePreferences(pb.UpdatePreferencesRequest(user_id=str(account.id), clear_quiet_hours=True))
    assert not cleared.HasField("quiet_hours")


@pytest.mark.parametrize(
    ("start", "end", "zone", "field"),
    [
        ("22:00", "22:00", "", "quietHours.end"),
        ("24:00", "08:00", "", "quietHours.start"),
        ("22:00", "08:00", "Mars/Olympus", "quietHours.timeZone"),
        ("22:00", "08:00", "../../etc/passwd", "quietHours.timeZone"),
    ],
)
async def test_invalid_quiet_hours_are_rejected(world: World, start: str, end: str, zone: str, field: str) -> None:
    request = pb.UpdatePreferencesRequest(user_id=str(new_id()))
    request.quiet_hours.start, request.quiet_hours.end, request.quiet_hours.time_zone = start, end, zone
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await world.stub(admin()).UpdatePreferences(request)
    assert rpc_error(error.value).code == grpc.StatusCode.INVALID_ARGUMENT
    assert list(rpc_error(error.value).violations) == [field]


async def test_a_points_notification_is_deferred_to_the_end_of_quiet_hours(world: World) -> None:
    account = await world.register()
    local = clock.now() + timedelta(hours=5, minutes=30)
    change = pb.UpdatePreferencesRequest(user_id=str(account.id))
    change.quiet_hours.start = f"{local - timedelta(hours=1):%H:%M}"
    change.quiet_hours.end = f"{local + timedelta(hours=2):%H:%M}"
    await world.stub(customer(account.id)).UpdatePreferences(change)
    await world.consume(PointsEarned(customer_id=str(account.id), points=7, balance=7))
    due_at = await until(lambda: world.app.db.one(GET_DEFERRED_UNTIL, user_id=account.id))
    assert timedelta(minutes=100) < due_at - clock.now() < timedelta(minutes=121)
    assert not [email for email in await world.mailbox.list_emails(account.email) if "points" in email["subject"]]


async def test_a_notification_is_marked_as_read_once_and_only_by_its_owner(world: World) -> None:
    account, other = await world.register(), await world.register()
    notification = await world.wait_for_notification(account, "welcome")
    request = pb.MarkNotificationReadRequest(id=notification.id)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await world.stub(customer(other.id)).MarkNotificationRead(request)
    assert error.value.code() == grpc.StatusCode.NOT_FOUND
    first = await world.stub(customer(account.id)).MarkNotificationRead(request)
    again = await world.stub(customer(account.id)).MarkNotificationRead(request)
    assert first.read
    assert first.read_at == again.read_at
    unread = await world.stub(customer(account.id)).ListNotifications(
        pb.ListNotificationsRequest(user_id=str(account.id), unread_only=True)
    )
    assert notification.id not in [listed.id for listed in unread.notifications]


async def test_lists_and_preferences_of_another_account_are_not_found(world: World) -> None:
    stub, other_id = world.stub(customer(new_id())), str(new_id())
    for call, request in (
        (stub.ListNotifications, pb.ListNotificationsRequest(user_id=other_id)),
        (stub.GetPreferences, pb.GetPreferencesRequest(user_id=other_id)),
        (stub.UpdatePreferences, pb.UpdatePreferencesRequest(user_id=other_id)),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call(request)
        assert error.value.code() == grpc.StatusCode.NOT_FOUND


async def test_notifications_are_listed_in_pages_newest_first(world: World) -> None:
    account = await world.register()
    await world.wait_for_notification(account, "welcome")
    for number in range(5):
        await world.stub(admin()).SendNotification(announcement(account.id, title=f"Dish {number}"))
    own, token, titles = world.stub(customer(account.id)), "", []
    while True:
        request = pb.ListNotificationsRequest(user_id=str(account.id), page_size=2, page_token=token)
        page = await own.ListNotifications(request)
        titles += [notification.title for notification in page.notifications]
        token = page.next_page_token
        if not token:
            break
    assert titles == [*(f"Dish {number}" for number in reversed(range(5))), "Welcome to Jain Shikanji"]


async def test_a_repeated_code_is_emailed_once_and_another_code_is_emailed_too(world: World) -> None:
    account, stub = await world.register(), world.stub(service("customer"))

    def build_request(code: str) -> pb.SendCodeRequest:
        request = pb.SendCodeRequest(
            customer_id=str(account.id), kind=pb.CodeKind.PASSWORD_RESET, email=account.email, name="Asha", code=code
        )
        request.expires_at.FromDatetime(clock.now() + timedelta(minutes=15))
        return request

    first = await stub.SendCode(build_request("AAAA-2222"))
    assert await stub.SendCode(build_request("AAAA-2222")) == first
    assert await stub.SendCode(build_request("BBBB-3333")) != first

    async def are_emailed() -> bool:
        emails = await world.mailbox.list_emails(account.email)
        return sum("Reset" in email["subject"] for email in emails) == 2

    await until(are_emailed)


async def test_an_expired_code_is_rejected_and_only_the_customer_service_sends_codes(world: World) -> None:
    request = pb.SendCodeRequest(
        customer_id=str(new_id()), kind=pb.CodeKind.EMAIL_VERIFICATION, email="a@example.org", code="AAAA-2222"
    )
    request.expires_at.FromDatetime(clock.now() - timedelta(minutes=1))
    with pytest.raises(grpc.aio.AioRpcError) as expired:
        await world.stub(service("customer")).SendCode(request)
    assert rpc_error(expired.value).violations == {"expiresAt": "is in the past"}
    for caller in (service("order"), admin(), anonymous()):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await world.stub(caller).SendCode(request)
        assert error.value.code() in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED)


async def test_an_administrator_overrides_a_template_and_resets_it(world: World) -> None:
    administrator = world.stub(admin())
    shipped = await administrator.ListTemplates(pb.ListTemplatesRequest(channel=Channel.EMAIL, language="en"))
    assert "review_answered" in [template.name for template in shipped.templates]
    name = {"name": "announcement", "channel": Channel.EMAIL, "language": "en"}
    overridden = await administrator.UpdateTemplate(
        pb.UpdateTemplateRequest(**name, subject="News: {{ title }}", text="{{ body }} Bye.", html="<i>{{ body }}</i>")
    )
    assert overridden.overridden
    try:
        account = await world.register()
        await administrator.SendNotification(announcement(account.id))
        email = await world.mailbox.wait_for_email(account.email, "News: A new dish")
        assert "Come & <taste> it. Bye." in email["text"]
        assert "<i>Come &amp; &lt;taste&gt; it.</i>" in email["html"]
    finally:
        await administrator.ResetTemplate(pb.ResetTemplateRequest(**name))
    after = await administrator.ListTemplates(pb.ListTemplatesRequest(channel=Channel.EMAIL, language="en"))
    assert not any(template.overridden for template in after.templates)


async def test_an_override_that_cannot_be_rendered_is_rejected(world: World) -> None:
    administrator = world.stub(admin())
    name = {"name": "welcome", "channel": Channel.EMAIL, "language": "en"}
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await administrator.UpdateTemplate(
            pb.UpdateTemplateRequest(**name, subject="Hi", text="{{ ''.__class__.__mro__ }}", html="<p>x</p>")
        )
    assert (rpc_error(error.value).reason, list(rpc_error(error.value).violations)) == (
        "TEMPLATE_NOT_RENDERED",
        ["text"],
    )
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await administrator.UpdateTemplate(
            pb.UpdateTemplateRequest(
                name="no_such_name", channel=Channel.EMAIL, language="en", subject="x", text="x", html="x"
            )
        )
    assert rpc_error(unknown.value).reason == "UNKNOWN_TEMPLATE"


async def test_the_data_of_an_erased_account_is_deleted(world: World) -> None:
    account = await world.register()
    await world.wait_for_notification(account, "welcome")
    change = pb.UpdatePreferencesRequest(user_id=str(account.id), sms=False)
    await world.stub(customer(account.id)).UpdatePreferences(change)
    await world.consume(CustomerErased(customer_id=str(account.id)))

    async def is_deleted() -> bool:
        return await world.app.db.one(COUNT_ROWS_OF_USER, user_id=account.id) == 0

    await until(is_deleted)
