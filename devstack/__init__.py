"""The local stack: PostgreSQL, NATS, nine services, payment gateway, mailbox and Envoy, from wheels, without Docker."""
