"""Who asks: what every operation of the API and every page depends on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPBearer

from gridbourse.errors import Forbidden, NotSignedIn
from gridbourse.service.rights import NOBODY, Principal, Right, require
from gridbourse.service.settings import ServiceSettings
from gridbourse.service.use_cases.service import Exchange
from gridbourse.text import Message

COOKIE = "gridbourse_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

bearer = HTTPBearer(auto_error=False, scheme_name="token", description="An API token: `Authorization: Bearer gbt_...`")
cookie = APIKeyCookie(name=COOKIE, auto_error=False, scheme_name="session", description="The cookie of a session.")


def exchange_of(request: Request) -> Exchange:
    """The exchange that an application serves."""
    exchange: Exchange = request.app.state.exchange
    return exchange


def current_user(request: Request) -> Principal:
    """Who asks: by token, else by session, else nobody.

    A browser sends its cookie along with whatever another site makes it send; so what changes anything must come
    from a page of our own, which the browser tells by `Origin` or `Sec-Fetch-Site`.

    Raises
    ------
    NotSignedIn
        The token is wrong, revoked or has run out.
    Forbidden
        A request with a cookie that changes something comes from elsewhere.
    """
    credentials = exchange_of(request).credentials
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme:
        principal = credentials.token(secret.strip()) if scheme.lower() == "bearer" else None
        if principal is None:
            raise NotSignedIn(Message("the token is unknown, revoked or has run out; make a new one"))
        return principal
    session = request.cookies.get(COOKIE)
    principal = credentials.session(session) if session else None
    if principal is None:
        return NOBODY
    if request.method not in SAFE_METHODS:
        require_same_origin(request)
    return principal


def require_same_origin(request: Request) -> None:
    """Refuse a request that a page of another site makes the browser send. Raises `Forbidden`."""
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    settings: ServiceSettings = request.app.state.settings
    is_own = origin in settings.origins if origin is not None else site in {"same-origin", "none"}
    if not is_own or site == "cross-site":
        text = "a session is used from pages of {own} only; programs use an API token"
        raise Forbidden(Message(text, own=settings.public_url))


def address_of(request: Request) -> str:
    """The address of whoever asks, also behind the proxies that the settings trust."""
    settings: ServiceSettings = request.app.state.settings
    return settings.address_of(request.scope)


# FastAPI sends what is not `async` to another thread, which costs more than either of the two.


async def _current_user(request: Request) -> Principal:
    return current_user(request)


async def _exchange(request: Request) -> Exchange:
    return exchange_of(request)


CurrentUser = Annotated[Principal, Depends(_current_user)]
ExchangeOf = Annotated[Exchange, Depends(_exchange)]


def having(right: Right) -> Callable[[Principal], Awaitable[Principal]]:
    """Make the dependency of an operation that needs a right; the OpenAPI document names it."""

    async def caller(principal: CurrentUser) -> Principal:
        require(principal, right)
        return principal

    caller.right = right  # type: ignore[attr-defined]
    return caller


def secured(right: Right) -> dict[str, Any]:
    """What the OpenAPI document says about an operation's right."""
    return {"x-right": str(right)}
