"""The node: what members do with their chains and keys, from an order's relay to the settlement of a day.

May import `regulator` and below. Whoever hosts it (`service`, `simulation`, `cli`) hands in the clock.
"""
