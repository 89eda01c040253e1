"""Payments and refunds: their tables, their states, and the rules about attempts, amounts and refund authority."""

from services.payment.model.tables import Base

__all__ = ["Base"]
