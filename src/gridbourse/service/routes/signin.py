"""Signing in and out, and API tokens."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gridbourse.api.schema import AddressText, MadeToken, Session, SignInMessage, Token
from gridbourse.crypto.keys import Address
from gridbourse.errors import NotFound
from gridbourse.service.auth.credentials import SESSION_SECONDS, Credential
from gridbourse.service.auth.current import COOKIE, CurrentUser, ExchangeOf, address_of, require_same_origin
from gridbourse.service.rights import Principal, Right, Scope
from gridbourse.service.routes.routing import operation
from gridbourse.service.settings import ServiceSettings
from gridbourse.text import Message

router = APIRouter(tags=["sign-in"])


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MessageRequest(_Body):
    """Who wants to sign in with its own key."""

    address: AddressText


class SignedMessage(_Body):
    """A message (ERC-4361) and its signature."""

    message: Annotated[str, Field(max_length=2_000)]
    signature: Annotated[str, Field(pattern="^0x[0-9a-fA-F]{130}$", description="`r || s || v`, 65 bytes.")]


class PasswordSignIn(_Body):
    """An account kept by the service."""

    account: Annotated[str, Field(min_length=1, max_length=80, examples=["roof01"])]
    password: Annotated[str, Field(min_length=1, max_length=256)]


class NewPassword(_Body):
    """The old password and the new one."""

    old: Annotated[str, Field(min_length=1, max_length=256)]
    new: Annotated[str, Field(min_length=12, max_length=256)]


class NewToken(_Body):
    """An API token to make."""

    name: Annotated[str, Field(min_length=1, max_length=80, description="What it is for.", examples=["trading robot"])]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
    expires_in_seconds: Annotated[int, Field(ge=60, le=366 * 86_400, examples=[2_592_000])] = 30 * 86_400


@router.post("/sign-in/message", **operation(Right.SIGN_IN))
async def make_message(request: Request, exchange: ExchangeOf, asked: MessageRequest) -> SignInMessage:
    """Get the message that an address signs to sign in (ERC-4361). It is good once, for ten minutes."""
    settings: ServiceSettings = request.app.state.settings
    address = Address(bytes.fromhex(asked.address[2:]))
    return SignInMessage(message=exchange.credentials.message(address, settings.domain, settings.public_url))


@router.post("/sign-in/ethereum", **operation(Right.SIGN_IN))
async def sign_in_with_key(
    request: Request, response: Response, exchange: ExchangeOf, signed: SignedMessage
) -> Session:
    """Sign in with a key of your own; the answer sets the session's cookie."""
    settings: ServiceSettings = request.app.state.settings
    signature = bytes.fromhex(signed.signature[2:])
    credential = exchange.credentials.sign_in_with_key(signed.message, signature, settings.domain)
    return begin_session(request, response, credential)


@router.post("/sign-in/password", **operation(Right.SIGN_IN))
async def sign_in_with_password(
    request: Request, response: Response, exchange: ExchangeOf, account: PasswordSignIn
) -> Session:
    """Sign in to an account that the service keeps; the answer sets the session's cookie."""
    credential = await asyncio.to_thread(
        exchange.credentials.sign_in_with_password, account.account, account.password, address_of(request)
    )
    return begin_session(request, response, credential)


@router.get("/session", **operation(Right.READ_MARKET))
async def read_session(principal: CurrentUser) -> Session:
    """Who you are here."""
    return session_view(principal)


@router.delete("/session", status_code=HTTPStatus.NO_CONTENT, **operation(Right.READ_MARKET))
async def sign_out(request: Request, response: Response, exchange: ExchangeOf) -> None:
    """End the session that the cookie names."""
    exchange.credentials.end_session(request.cookies.get(COOKIE, ""))
    response.delete_cookie(COOKIE, path="/")


@router.put("/password", status_code=HTTPStatus.NO_CONTENT, **operation(Right.KEEP_TOKENS, HTTPStatus.NOT_FOUND))
async def change_password(exchange: ExchangeOf, principal: CurrentUser, account: str, passwords: NewPassword) -> None:
    """Change the password of your account. All its sessions and tokens end."""
    own = {found.name for found in exchange.credentials.accounts([principal.name]) if found.kind == principal.kind}
    if account not in own:
        raise NotFound(Message("you have no account {name!r}", name=account))
    await asyncio.to_thread(exchange.credentials.change_password, account, passwords.old, passwords.new)


@router.get("/tokens", **operation(Right.READ_OWN))
async def list_tokens(exchange: ExchangeOf, principal: CurrentUser) -> list[Token]:
    """Your API tokens."""
    return exchange.credentials.tokens(principal)


@router.post("/tokens", status_code=HTTPStatus.CREATED, **operation(Right.KEEP_TOKENS))
async def create_token(exchange: ExchangeOf, principal: CurrentUser, asked: NewToken) -> MadeToken:
    """Make an API token for your programs. It can do what you can, within its scopes, until it runs out."""
    token, secret = exchange.credentials.create_token(principal, asked.name, asked.scopes, asked.expires_in_seconds)
    return MadeToken(token=token, secret=secret)


@router.delete(
    "/tokens/{token_id}",
    status_code=HTTPStatus.NO_CONTENT,
    **operation(Right.KEEP_TOKENS, HTTPStatus.NOT_FOUND),
)
async def revoke_token(exchange: ExchangeOf, principal: CurrentUser, token_id: str) -> None:
    """Revoke one of your API tokens, at once."""
    if not exchange.credentials.revoke_token(principal, token_id):
        raise NotFound(Message("you have no token {name!r}", name=token_id))


def begin_session(request: Request, response: Response, credential: Credential) -> Session:
    """Set the cookie of a new session; pages that sign people in use it too."""
    require_same_origin_if_browser(request)
    settings: ServiceSettings = request.app.state.settings
    response.set_cookie(
        COOKIE,
        credential.secret,
        max_age=SESSION_SECONDS,
        path="/",
        httponly=True,
        samesite="lax",
        secure=settings.is_secure,
    )
    return session_view(credential.principal)


def require_same_origin_if_browser(request: Request) -> None:
    """A browser may be signed in by pages of our own only; programs send neither header."""
    if request.headers.get("origin") or request.headers.get("sec-fetch-site"):
        require_same_origin(request)


def session_view(principal: Principal) -> Session:
    """Who somebody is."""
    scopes = sorted(map(str, principal.scopes)) if principal.name else []
    return Session(principal.kind, principal.name, principal.master, scopes, principal.keys is not None)
