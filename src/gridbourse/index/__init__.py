"""What is read: the market, records, participants and chains as they follow from the blocks taken in so far.

May import `ledger` and below; is written by `node`, and read by `regulator`, `service` and `web`.
"""
