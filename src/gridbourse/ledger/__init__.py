"""What is written on a slave chain, how, and by whom: records, sealing, disclosure, encryption and function nodes.

May import `contracts`, `region`, `metering` and below.
"""
