"""The application: one exchange, its API and its pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from gridbourse import __version__
from gridbourse.console.api import deals, market, orders, signin, stream
from gridbourse.console.exchange import Exchange
from gridbourse.console.problems import handle_problems
from gridbourse.console.settings import ServiceSettings

API_PREFIX = "/api/v1"


def create_app(open_exchange: Callable[[], Exchange], settings: ServiceSettings) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    open_exchange
        Opens the exchange when the application starts; it is stopped with the application.
    settings
        How it is run.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        exchange = app.state.exchange = open_exchange()
        await exchange.start()
        try:
            yield
        finally:
            await exchange.stop()

    app = FastAPI(title="gridbourse", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.settings = settings
    handle_problems(app)
    api = APIRouter(prefix=API_PREFIX)
    for subject in (market, orders, deals, signin, stream):
        api.include_router(subject.router)
    app.include_router(api)
    return app
