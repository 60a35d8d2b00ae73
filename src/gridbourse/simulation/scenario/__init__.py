"""A scenario: what one folder says about an experiment, read so that what is wrong is named.

May import `simulation.profiles`, `region` and below.
"""
