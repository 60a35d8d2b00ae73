"""The pages of the console: what the exchange says, as HTML. Every form works without JavaScript.

May import `service` and below; nothing but `cli` imports it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.staticfiles import StaticFiles

from gridbourse.web import audit, chains, energy, home, market, network
from gridbourse.web.frame import Frames, nothing_else

_STATIC = Path(__file__).parent / "static"


def add_pages(app: FastAPI) -> None:
    """Add the pages to an application; what is none of them is told so as a page, too."""

    @asynccontextmanager
    async def lend_frames(_: FastAPI) -> AsyncIterator[None]:
        # Frames speak the region's local time, which is known when the exchange is open.
        app.state.frames = Frames(app.state.exchange.calendar)
        yield

    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    app.include_router(APIRouter(lifespan=lend_frames))
    for subject in (home, market, energy, chains, network, audit):
        app.include_router(subject.router, include_in_schema=False)
    app.include_router(nothing_else(), include_in_schema=False)
