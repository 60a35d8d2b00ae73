"""The paper's experiments: its market, tables and figures, its comparison of two architectures, its security analysis.

May import `simulation` and below.
"""
