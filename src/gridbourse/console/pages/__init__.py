"""The pages of the console: what the exchange says, as HTML. Every form works without JavaScript."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from gridbourse.console.pages import audit, chains, energy, home, market, network
from gridbourse.console.pages.frame import nothing_else

_STATIC = Path(__file__).parent.parent / "static"


def add_pages(app: FastAPI) -> None:
    """Add the pages to an application; what is none of them is told so as a page, too."""
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    for subject in (home, market, energy, chains, network, audit):
        app.include_router(subject.router, include_in_schema=False)
    app.include_router(nothing_else(), include_in_schema=False)
