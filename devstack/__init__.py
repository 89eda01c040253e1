"""The embedded stack: PostgreSQL, NATS, nine services, gateway, mailbox and Envoy, all from wheels, no Docker."""
