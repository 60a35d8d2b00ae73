"""Masters, their users, the slave chains, the up-link between the two kinds of chain, and the region."""
