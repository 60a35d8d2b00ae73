"""Who takes part: a region's description, the keys and files that are private to its members.

May import `contracts` and below.
"""
