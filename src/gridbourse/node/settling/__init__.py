"""The settlement of a delivery day between masters, and what leaves the market as money.

May import `node`, but `commands`, `hosting` and `jobs`.
"""
