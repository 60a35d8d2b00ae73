"""The grid's services: schedules, nominations, capacities, reports.

May import what `jobs` may.
"""
