"""The menu, and how much there is of it in each store.

Owns: products, their options, categories, what differs in a store; stock, its movements, batches and reservations;
suppliers and purchase orders.
Publishes: ProductCreated, ProductUpdated, ProductDeleted, StockReserved, StockReleased, StockLow, ProductOutOfStock,
StockRestocked.
Hears: OrderConfirmed (goods are given out), OrderCancelled (goods come back), ReviewPosted and ReviewUpdated (the
rating's read copy), and its own product and stock events (caches).
"""
