"""What most teams would build: one FastAPI process with one database, no proxy, no events under way.

It serves the three routes that the benchmark compares, with the platform's JSON, its checks and its tables:

    GET  /api/products/{id}     public
    GET  /api/orders/{id}       the caller's own, by the platform's own access tokens
    POST /api/orders            cash on delivery, without coupon or points; everything in one transaction

`orm.py` is written with SQLAlchemy's asynchronous ORM, `raw.py` with psycopg and SQL by hand on the same schema. Both
verify the token, validate the body, keep the idempotency key, guard the stock, price and tax as the platform does, and
write order, items, history, payment, stock movements and outbox. Nobody publishes the outbox or hears it.

    python -m bench.baseline orm --port 9000 --database-url postgresql://… --jwks keys.json
"""
