"""Commands to a running node over its socket.

`requests` says what there is, `codec` and `failures` how it is written; `server` and `client` are the two ends of the
socket, and `handlers` does what is asked. Rights are not the node's affair: whoever reaches its socket is the node's
own user. The service says who may do what.
"""
