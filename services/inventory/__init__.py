"""The menu, the stock of each store, and purchasing.

Owns `inventory_db`: products with their options, categories and store offers; stock with its movements, batches and
reservations; suppliers and purchase orders.
Publishes ProductCreated, ProductUpdated, ProductDeleted, StockReserved, StockReleased, StockLow, ProductOutOfStock,
StockRestocked.
Consumes OrderConfirmed (commits the reservation), OrderCancelled (returns it), ReviewPosted and ReviewUpdated (the copy
of the rating). Subscribes to its own product and stock events, for its caches.
"""
