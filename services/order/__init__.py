"""order: from the cart to the hand-over.

Owns orders, their items, history and courier positions, and the saga that places them.
Publishes OrderCreated, OrderConfirmed, OrderPreparing, OrderReady, OrderDispatched, OrderDelivered, OrderCancelled,
OrderRefunded, OrderAssigned.
Hears PaymentCompleted, PaymentFailed, RefundProcessed (payment), PointsEarned, PointsReversed (loyalty), ReviewPosted,
ReviewUpdated (review), CustomerErased (customer), StaffGranted, StaffRevoked (store).
"""
