"""Requests about who you are: signing in, tokens, accounts."""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType
from urllib.parse import quote

from gridbourse.api.schema import Account, MadeToken, Session, SignInMessage, Token
from gridbourse.client.request import Request, delete, get, post
from gridbourse.crypto.keys import Address


def session() -> Request[Session]:
    """Who you are."""
    return get("/session", Session)


def sign_in_with_password(account: str, password: str) -> Request[Session]:
    """Sign in to an account that the service keeps."""
    return post("/sign-in/password", Session, {"account": account, "password": password})


def sign_in_message(address: Address) -> Request[SignInMessage]:
    """Get the message to sign with `own_keys.sign_message`."""
    return post("/sign-in/message", SignInMessage, {"address": f"0x{address.hex()}"})


def sign_in_with_key(message: str, signature: bytes) -> Request[Session]:
    """Sign in with a signed message."""
    return post("/sign-in/ethereum", Session, {"message": message, "signature": f"0x{signature.hex()}"})


def sign_out() -> Request[None]:
    """End the session."""
    return delete("/session", NoneType)


def tokens() -> Request[list[Token]]:
    """Your API tokens."""
    return get("/tokens", list[Token])


def create_token(name: str, scopes: Sequence[str], expires_in_seconds: int) -> Request[MadeToken]:
    """Make an API token; its secret is told this once."""
    body = {"name": name, "scopes": list(scopes), "expires_in_seconds": expires_in_seconds}
    return post("/tokens", MadeToken, body)


def revoke_token(token_id: str) -> Request[None]:
    """Revoke an API token."""
    return delete(f"/tokens/{quote(token_id, safe='')}", NoneType)


def accounts() -> Request[list[Account]]:
    """As a master: accounts of your nodes."""
    return get("/accounts", list[Account])


def open_account(name: str, node_id: str, password: str) -> Request[Account]:
    """As a master: open an account for a node of yours."""
    return post("/accounts", Account, {"name": name, "node_id": node_id, "password": password})


def close_account(name: str) -> Request[None]:
    """As a master: close an account of a node of yours."""
    return delete(f"/accounts/{quote(name, safe='')}", NoneType)
