"""Every statement of the service, compiled once."""
