"""What function nodes compute: complementary schedules, free transfer capacity, and indicators from meters.

Pure functions of their arguments: no chain, no file, no clock. Energy is whole Wh per delivery period.
"""
