"""The first page, signing in and out, language and colours."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated

from fastapi import Form, Query, Response
from fastapi.responses import RedirectResponse

from gridbourse.errors import SignInRefused, TooManyAttempts
from gridbourse.service.auth.current import COOKIE, address_of
from gridbourse.service.language import LANGUAGE_COOKIE
from gridbourse.service.problems import status_of
from gridbourse.service.routes.signin import begin_session
from gridbourse.text import LANGUAGES
from gridbourse.web.frame import (
    PREFERENCE_SECONDS,
    THEME_COOKIE,
    THEMES,
    PageFrame,
    own_path,
    page_router,
)

router = page_router()
NEXT_PERIODS = 6


@router.get("/")
async def home(frame: PageFrame) -> Response:
    """What the market is, and how it stands."""
    market = frame.exchange.market
    open_periods = [one for one in market.periods() if one.is_open]
    day = frame.exchange.today
    both = [market.day_prices(day), market.day_prices(day + 1)]
    energy_wh = sum(prices.energy_wh for prices in both)
    return frame.render(
        "home.html",
        today=both[0],
        tomorrow=both[1],
        average=sum(prices.money for prices in both) / energy_wh if energy_wh else None,
        height=frame.exchange.index.chains.height(),
        next_periods=open_periods[:NEXT_PERIODS],
    )


@router.get("/sign-in")
async def sign_in_form(frame: PageFrame, after: Annotated[str, Query(alias="next", max_length=500)] = "/") -> Response:
    """Where one signs in."""
    return frame.render("sign_in.html", next=own_path(after), account="", refused="")


@router.post("/sign-in")
async def sign_in(
    frame: PageFrame,
    account: Annotated[str, Form(max_length=80)],
    password: Annotated[str, Form(max_length=256)],
    after: Annotated[str, Form(alias="next", max_length=500)] = "/",
) -> Response:
    """Sign in with an account."""
    try:
        address = address_of(frame.request)
        credential = await asyncio.to_thread(
            frame.exchange.credentials.sign_in_with_password, account, password, address
        )
    except (SignInRefused, TooManyAttempts) as error:
        refused = frame.explain(error)
        status = status_of(error)
        return frame.render("sign_in.html", status=status, next=own_path(after), account=account, refused=refused)
    response = RedirectResponse(own_path(after), HTTPStatus.SEE_OTHER)
    begin_session(frame.request, response, credential)
    return response


@router.post("/sign-out")
async def sign_out(frame: PageFrame) -> Response:
    """End the session."""
    frame.exchange.credentials.end_session(frame.request.cookies.get(COOKIE, ""))
    response = frame.go("/", done="signed_out")
    response.delete_cookie(COOKIE, path="/")
    return response


@router.post("/preferences")
async def keep_preferences(
    language: Annotated[str, Form(max_length=10)] = "",
    theme: Annotated[str, Form(max_length=10)] = "",
    after: Annotated[str, Form(alias="next", max_length=2_000)] = "/",
) -> Response:
    """Keep a language or a colour scheme in a cookie."""
    response = RedirectResponse(own_path(after), HTTPStatus.SEE_OTHER)
    if language in LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, language, PREFERENCE_SECONDS, httponly=True, samesite="lax")
    if theme in THEMES:
        response.set_cookie(THEME_COOKIE, theme, PREFERENCE_SECONDS, httponly=True, samesite="lax")
    elif theme:
        response.delete_cookie(THEME_COOKIE)
    return response
