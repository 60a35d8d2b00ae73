"""The exchange as a service: a REST API, server-sent events, sign-in, and the use cases behind them.

May import `node` and below. Pages are in `web`.
"""
