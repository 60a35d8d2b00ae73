"""Tables that people and other programs hand in, and those that they take away: one way to read them, one to write them.

May import `units` and `errors`.
"""
