"""What the platform's events add up to.

Owns: every event of every service, once; what is known of each order (order_facts); roll-ups of orders by hour, day,
      store, product and customer that follow the facts in the same transaction; reports; events of apps.
Publishes: nothing.
Hears: everything. How money counts: protos/jainshikanji/analytics/v1/figures.proto.
"""
