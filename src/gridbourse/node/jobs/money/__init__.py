"""Money that comes in, is carried from day to day, and goes out.

May import what `jobs` may.
"""
