"""Payments of orders, by gateway or in cash, and their refunds.

Owns `payment_db`: payments (one per order), their attempts, messages of gateways, refunds, saved payment methods.
Publishes PaymentCompleted, PaymentFailed, RefundProcessed, SurplusRefunded.
Consumes OrderCancelled (cancels or refunds the payment), OrderDelivered (records the cash of a COD order) and
CustomerErased (deletes saved payment methods).

The database guarantees three rules: a payment keeps one capture (index `payment_attempts_kept`), refunds never exceed
the captured amount (trigger `refunds_within_capture` and the checks on `refunded_amount`), and a message of a gateway
has one effect (unique indexes of `payment_events`).
"""
