"""A payment gateway for development and tests: Razorpay's HTTP API and webhooks, on this machine, with invented money.

    python -m devstack.gateway --port 9100 --webhook-url http://127.0.0.1:8080/api/payments/webhook \
        --key-id rzp_test_local --key-secret ... --webhook-secret ... --state .run/gateway.sqlite3

The platform talks to it with Razorpay's own SDK, so the adapter that runs here is the one that runs in production.
Three faces:

- `/v1/...`       what the SDK calls: orders, payments, captures, refunds; basic authentication is checked.
- `/checkout/ID`  a page on which a person pays or declines; `POST /pay` does the same for programs.
- `/faults`       switches that make it slow, silent, forgetful or wrong. GET shows them, PUT sets them.

Webhooks are signed over their bytes and repeated with growing pauses until they are answered with 2xx. Everything is
kept in one SQLite file, so a restart forgets nothing. It listens on loopback only: nothing here is a secret.
"""
