"""The wire: what client and service say to each other, as typed models.

May import `text`, `units` and `errors`.
"""
