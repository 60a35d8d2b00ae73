"""What energy costs by the market rules in force: delivered prices before it is bought, monthly statements after it.

May import what `service` may, and `use_cases.trading`, which knows whose nodes are whose.
"""
