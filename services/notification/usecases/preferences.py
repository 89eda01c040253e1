"""Preferences of accounts. This service is the owner of the consent to notifications."""

from __future__ import annotations

from uuid import UUID

from chassis import Caller
from services.notification import queries, wire
from services.notification.app import NotificationApp
from services.notification.commands import UpdatePreferences
from services.notification.rows import PreferencesRow


async def get_preferences(app: NotificationApp, caller: Caller, user_id: UUID) -> PreferencesRow | None:
    """The preferences of the account; None when the defaults apply."""
    return await app.db.one(queries.GET_PREFERENCES, user_id=user_id)


async def update_preferences(app: NotificationApp, caller: Caller, command: UpdatePreferences) -> PreferencesRow:
    """Changes the preferences that the command contains."""
    quiet_hours = command.quiet_hours
    async with app.db.transaction() as tx:
        row = await tx.one(
            queries.UPDATE_PREFERENCES,
            user_id=command.user_id,
            email=command.email,
            sms=command.sms,
            push=command.push,
            marketing=command.marketing,
            language=command.language,
            changes_quiet_hours=command.changes_quiet_hours,
            quiet_start=quiet_hours.start if quiet_hours else None,
            quiet_end=quiet_hours.end if quiet_hours else None,
            quiet_zone=quiet_hours.zone if quiet_hours else None,
        )
        assert row is not None
        tx.publish(wire.resources.preferences_changed_to_proto(row), key=row.user_id, version=row.version)
        return row
