"""Running a scenario, on the market alone or on chains; its measures, sweeps, figures and report.

May import `simulation.scenario`, `node` and below.
"""
