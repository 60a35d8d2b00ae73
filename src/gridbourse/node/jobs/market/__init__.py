"""From a user's record to a deal that is settled.

May import what `jobs` may.
"""
