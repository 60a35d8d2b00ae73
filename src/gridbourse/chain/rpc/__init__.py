"""Ethereum JSON-RPC over any chain of this project: what `cast`, web3.py, ethers and block explorers speak.

::

    server.py          HTTP and WebSocket, who may ask, how much
    connections.py     connections that cannot take the server from others
    conversation.py    what goes over one WebSocket
    subscriptions.py   new heads and events, pushed
    dispatch.py        JSON-RPC 2.0: requests in, answers out, batches
    methods/           what each method does
    values.py          quantities and data in hexadecimal
    limits.py          how much one caller may ask for
    errors.py          error codes
    client.py          the other side: batches, timeouts, reconnecting
    reading.py         what a node answers, as the values of gridbourse.chain.block
"""
