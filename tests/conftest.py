"""What all tests share."""

from hypothesis import settings

# A property is no stopwatch: the machine may be busy with something else.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")
