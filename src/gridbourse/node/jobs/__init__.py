"""What a region's members do all the time, one job a file.

A job has a name, a schedule and tasks, each for one master or file; `RegionLoop` does them, each by itself. Everything
follows from the chains and from files, so a job may be stopped or killed at any moment, and whoever runs next goes on.
May import the other modules of `node`, but `commands`.
"""
