"""Orders, trades and the reference market: the rules of the contract, written for reading, with no I/O."""
