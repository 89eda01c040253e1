"""Orders, from the cart to the handover.

Owns `order_db`: orders, their items, history and courier positions, and the saga that places them.
Publishes OrderCreated, OrderConfirmed, OrderPreparing, OrderReady, OrderDispatched, OrderDelivered, OrderCancelled,
OrderRefunded, OrderAssigned.
Consumes PaymentCompleted, PaymentFailed, RefundProcessed (payment), PointsEarned, PointsReversed (loyalty),
ReviewPosted, ReviewUpdated (review), CustomerErased (customer), StaffGranted, StaffRevoked (store).
Subscribes to its own events, which wake the watchers of every replica.
"""
