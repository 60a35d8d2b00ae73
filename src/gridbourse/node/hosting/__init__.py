"""The node as a process: the thread that owns the region, its clock, log and lifeline.

May import the other rooms of `node`.
"""
