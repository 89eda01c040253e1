"""The way out to payment gateways: `port` says what a gateway is, `razorpay` and `stripe` are the real ones."""
