"""The baseline: a FastAPI monolith with one database, without proxy and without event delivery.

It serves the three routes of the benchmark with the JSON, the checks and the tables of the platform:

    GET  /api/products/{id}     public
    GET  /api/orders/{id}       own orders, with the platform's access tokens
    POST /api/orders            cash on delivery, without coupon or points; one transaction

`orm.py` uses SQLAlchemy's asynchronous ORM, `raw.py` psycopg and handwritten SQL on the same schema. Both verify the
token, validate the body, store the idempotency key, check stock, compute prices and tax as the platform does, and write
order, items, history, payment, stock movements and outbox. No relay publishes the outbox.

    python -m bench.baseline orm --port 9000 --database-url postgresql://… --jwks keys.json
"""
