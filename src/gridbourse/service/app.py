"""The application: one exchange, its API, and the pages that are handed in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from gridbourse import __version__
from gridbourse.service.metrics import Metrics
from gridbourse.service.middleware import AccessLog, HeadAsGet, RequestLimits
from gridbourse.service.problems import handle_problems
from gridbourse.service.rate_limit import OpenLimit
from gridbourse.service.routes import (
    audit,
    chains,
    deals,
    market,
    meters,
    network,
    operations,
    orders,
    payouts,
    records,
    signin,
    statements,
    stream,
)
from gridbourse.service.settings import ServiceSettings
from gridbourse.service.use_cases.service import Exchange

API_PREFIX = "/api/v1"

_DESCRIPTION = """\
Trade electricity by delivery period and energy type; see and prove what happened.

**Units.** Energy is in Wh, price in ticks of 0.0001 yuan/kWh, money in 1e-7 yuan, so that Wh x ticks is money, exactly.
Delivery periods are quarter hours since 1970-01-01T00:00Z, delivery days
are local dates in days since then, times are seconds.

**Who asks.** Sign in with an account that your master keeps, or with your own key (ERC-4361); programs use an API
token. What each operation needs is its `x-right`; docs/rights.md shows who has it.

**Errors** are problem details (RFC 9457) that name the field and the remedy.

**Orders** may carry an `Idempotency-Key`: sent again under the same key, an order is placed once, whatever
happens in between.
"""
_TAGS = {
    "market": "Order books, the trade tape, prices, quotes. Open to everybody.",
    "orders": "Place and follow orders of a function node.",
    "deals": "Confirm or abandon deals within their cooling-off time.",
    "money and energy": "Deposits and energy claims.",
    "meters": "Smart meters, their signed readings, and what these let expect.",
    "automatic offering": "What a node may do by itself, and what it did.",
    "own keys": "Records that nodes sign themselves.",
    "events": "Server-sent events.",
    "chains": "Blocks, transactions, records, proofs, anchors.",
    "network": "Masters, function nodes, reports.",
    "votes": "What the masters decide together.",
    "audit": "What the regulator does.",
    "sign-in": "Sessions and API tokens.",
    "accounts": "Accounts that a master keeps for its nodes.",
}


def create_app(
    open_exchange: Callable[[], Awaitable[Exchange]],
    settings: ServiceSettings,
    add_pages: Callable[[FastAPI], None] | None = None,
) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    open_exchange
        Opens the exchange when the application starts; it is stopped with the application.
    settings
        How it is run.
    add_pages
        Adds the pages that people use; without it, the API alone.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        exchange = app.state.exchange = await open_exchange()
        await exchange.start()
        app.state.metrics.watch(exchange)
        try:
            yield
        finally:
            await exchange.stop()

    app = FastAPI(
        title="gridbourse",
        version=__version__,
        summary="A regional energy exchange on a master-slave blockchain.",
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
        openapi_url=f"{API_PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.settings = settings
    app.state.metrics = Metrics()
    app.state.streams = OpenLimit(settings.streams_per_caller)
    app.add_middleware(HeadAsGet)
    app.add_middleware(RequestLimits, settings=settings)
    app.add_middleware(AccessLog, settings=settings, metrics=app.state.metrics)
    handle_problems(app)
    api = APIRouter(prefix=API_PREFIX)
    own = orders, deals, payouts, statements, records, meters
    for subject in (market, *own, chains, network, audit, signin, stream):
        api.include_router(subject.router)
    app.include_router(api)
    app.include_router(operations.router)
    if add_pages is not None:
        add_pages(app)
    return app
