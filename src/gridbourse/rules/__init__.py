"""Dated market rules: sets of parameters as data, one folder each, and pure functions that cite where they come from.

A parameter is never a constant in code: it stands in a set's table with unit, validity, document and article, and a
flag that says whether an operator has confirmed it. The difference of two folders is the change of the rules. Energy is
whole Wh, money whole 1e-7 yuan; prices are ticks of 0.0001 yuan/kWh, exact fractions where a tariff is finer.

May import ``units``, ``rounding`` and ``errors``.
"""
