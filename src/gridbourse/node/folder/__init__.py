"""What lies in a region's folder: made, opened, backed up, and its keys changed.

May import `node`, but `commands`, `hosting` and `jobs`.
"""
