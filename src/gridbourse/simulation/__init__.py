"""Scenarios: the example region, a day of metered prosumers, load profiles, random markets.

May import `node` and below.
"""
