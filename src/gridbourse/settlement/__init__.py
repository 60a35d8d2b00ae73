"""Traded against metered: imbalances, what they cost whom, and a statement for every user and day.

Pure functions of their arguments: no chain, no file, no clock. Energy is whole Wh, money whole units of 1e-7 yuan.
"""
