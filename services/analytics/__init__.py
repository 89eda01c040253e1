"""Figures of orders, products and customers.

Owns `analytics_db`: all events of all services, facts of each order, roll-ups by hour, day, store, product and customer
that follow the facts in the same transaction, reports, events of apps.
Publishes no events.
Consumes all events. The rules for amounts are in protos/jainshikanji/analytics/v1/figures.proto.
Calls store (time zones of stores).
"""
