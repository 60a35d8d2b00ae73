"""Monthly statements made from what the chains hold: by a master that writes them, and again by the regulator.

May import what `regulator` may.
"""
