"""What the service does for who has signed in, and what it shows them.

May import the other modules of `service`, but `routes` and `app`.
"""
