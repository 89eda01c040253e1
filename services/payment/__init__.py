"""Payment: money of orders, taken through a gateway or in cash, and given back.

Owns      payments (one per order), their attempts at the gateway, every message of a gateway, refunds, saved methods.
Publishes PaymentCompleted, PaymentFailed, RefundProcessed, SurplusRefunded.
Hears     OrderCancelled (closes what is open, refunds what is captured), OrderDelivered (books the cash of COD),
          CustomerErased (forgets saved methods).

Three promises, each held by the database: a payment keeps one capture (`payment_attempts_kept`), never more goes back
than was captured (`payment_attempts_refunded` and the trigger `refunds_within_capture`), and no message of a gateway
has an effect twice (`payment_events`).
"""
