"""A payment gateway for development and tests: Razorpay's HTTP API and webhooks, without real money.

    python -m devstack.gateway --port 9100 --webhook-url http://127.0.0.1:8080/api/payments/webhook \
        --key-id rzp_test_local --key-secret ... --webhook-secret ... --state .run/gateway.sqlite3

The platform calls it with Razorpay's own SDK, so local stack and production use the same adapter. Three interfaces:

- `/v1/...`       Razorpay's API: orders, payments, captures, refunds, with basic authentication
- `/checkout/ID`  a page to pay or decline an order; `POST /pay` does the same for programs
- `/faults`       fault injection: delays, missing responses, errors, wrong amounts; read with GET, set with PUT

Webhooks are signed and retried with increasing delays until a response with 2xx. All data is stored in one SQLite file
and survives a restart. The server listens on loopback only.
"""
