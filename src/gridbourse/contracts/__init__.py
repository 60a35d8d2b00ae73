"""Typed Python faces of the contracts, over their committed ABI and bytecode.

A face encodes calls and decodes answers and events; it keeps no state and holds no key. Reading methods ask
the chain; writing methods return a `Call` that a `Wallet` signs and sends.
"""
