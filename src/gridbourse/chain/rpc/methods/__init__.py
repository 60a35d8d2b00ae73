"""What each method of the JSON-RPC does with a chain. It knows nothing of connections.

::

    table.py           all methods by their names; blocks, transactions, events
    state.py           accounts, calls, estimates, access lists, proofs
    simulation.py      calls that build on each other, on blocks that are supposed
    tracing.py         what a transaction did, call by call or step by step
    fees.py            what gas costs
    filters.py         events that match a filter, and filters that are polled
    parameters.py      what callers pass, read strictly
    overrides.py       other accounts and another block, which a caller supposes
    objects.py         blocks, transactions, receipts and events as the execution-apis specification shows them
"""
