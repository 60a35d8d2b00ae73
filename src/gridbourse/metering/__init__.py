"""Smart meters, what they counted, and the offers that follow within their owners' limits."""
