"""From what meters say to statements.

May import what `jobs` may.
"""
