"""Ethereum chains behind one small interface: transactions, blocks, the executor, and who orders them."""
