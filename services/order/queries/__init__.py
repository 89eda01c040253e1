"""Every statement of the order service."""
