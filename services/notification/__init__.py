"""Notifications of what happened: by email, and by SMS and push where a provider is configured.

Owns `notification_db`: notifications, their dispatch through each channel, the log of delivery attempts, templates that
override the shipped ones, and preferences. This service is the owner of the consent to notifications.
Publishes NotificationPreferencesChanged.
Consumes the events of `wire.consumed_events.EVENT_RULES` (orders, payments, refunds, points, tiers, stock alarms,
responses to reviews, new accounts), OrderCreated, StaffGranted and StaffRevoked (managers of stores), CustomerErased.
Calls customer for the contacts of recipients, and store for names and time zones.
"""
