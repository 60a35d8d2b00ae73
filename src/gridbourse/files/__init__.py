"""Tables that people and other programs hand in, and those that they take away: one way to read, one to write them.

May import `units` and `errors`.
"""
