"""A regional energy exchange on a master-slave blockchain."""

__version__ = "0.1.0"
