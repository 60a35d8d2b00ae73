"""Reads the index: what everybody but the node does with it.

May import the schema and the other modules of `index`, but what writes it.
"""
