"""Tells people what happened: by mail, and by SMS and push where a provider is configured.

Owns: what was told to whom (notifications), its way through each channel (dispatches), every attempt (deliveries),
      texts in place of the shipped ones (templates), and consent (preferences: the owner of it).
Publishes: NotificationPreferencesChanged.
Hears: orders, payments, refunds, points, tiers, stock alarms, answers to reviews, new accounts: `messages.py` is the
       table. Staff grants, to know a store's managers; erasures. Asks customer for addresses when it sends.
"""
