"""Ethereum JSON-RPC over any chain of this project: what `cast`, web3.py, ethers and block explorers speak.

::

    server.py          HTTP and WebSocket, who may ask, how much
    dispatch.py        JSON-RPC 2.0: requests in, answers out, batches
    methods.py         what each method does
    filters.py         event criteria, and filters that are polled
    subscriptions.py   new heads and events, pushed
    objects.py         blocks, transactions, receipts and events as the execution-apis specification shows them
    values.py          quantities and data in hexadecimal
    limits.py          how much one caller may ask for
    errors.py          error codes
    client.py          the other side: batches, timeouts, reconnecting
    reading.py         what a node answers, as the values of gridbourse.chain.block
"""
