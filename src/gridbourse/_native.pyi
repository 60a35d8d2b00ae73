"""The chain core, compiled from ``native/``."""

__version__: str
