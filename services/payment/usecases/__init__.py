"""The use cases by noun: payments, reconciliation with gateways, attempts, webhooks, refunds, orders, saved methods."""
