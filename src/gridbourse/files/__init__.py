"""Tables that people and other programs hand in and take away: one way to read them, one way to write them.

May import `units` and `errors`.
"""
