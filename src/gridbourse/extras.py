"""Libraries that only some need: those who plot, plan, or print. A plain node runs without them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gridbourse.errors import ExtraMissing

EXTRAS = {"matplotlib": "plot", "scipy": "plan", "fpdf": "pdf"}
"""Each library as it is imported, and the extra of the package `gridbourse` that brings it."""


@contextmanager
def extras_named() -> Iterator[None]:
    """Import what needs one of `EXTRAS` inside this.

    Raises
    ------
    ExtraMissing
        The library is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        library = (missing.name or "").partition(".")[0]
        if library not in EXTRAS:
            raise
        raise ExtraMissing(library, EXTRAS[library]) from missing
