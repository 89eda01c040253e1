"""Payment gateways: their common interface (`port`), the adapters (`razorpay`, `stripe`), and the configured ones
(`registry`).
"""
