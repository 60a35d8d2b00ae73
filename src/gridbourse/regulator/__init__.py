"""What the regulator does: walks a trade to the proofs behind it, audits every chain, exports what it found.

May import `index` and below; writes nothing on any chain.
"""
